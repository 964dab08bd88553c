//! Registers that tell their versions, in one pass over the versions.
//!
//! The operations that tell one version, the write that made it and the reads that saw it, are a *cluster*, and the
//! versions put the clusters in order. So the order is given, and it only has to be compared with real time, and each
//! read with its write. A version that was seen but that nobody told to have made is the initial one, or was made by
//! a write of that value whose outcome is unknown: of several, those that were invoked first are used first.

use std::collections::BTreeMap;

use crate::budget::Budget;
use crate::history::{Operation, Outcome, Value};
use crate::models::{CellAction, Decision, Model, Refutation, VersionedRegister};
use crate::words;

/// Bytes that are held for each operation, at most.
const BYTES_PER_OPERATION: u64 = 512;

/// What tells one version.
#[derive(Default)]
struct Cluster<'h> {
    writer: Option<&'h Operation>,
    value: Option<Value>,
    /// What its writer compared with.
    expected: Option<Value>,
    reads: Vec<&'h Operation>,
    /// Those that saw that the value was not this.
    denials: Vec<(&'h Operation, Value)>,
}

type Answer = Result<Decision, Option<Refutation>>;

/// Decides one register; none where an acknowledged operation does not tell its version, or where unknown
/// compare-and-sets leave a choice.
pub(crate) fn decide(
    model: &VersionedRegister,
    operations: &[&Operation],
    budget: &Budget,
) -> Option<Decision> {
    if operations.len() as u64 * BYTES_PER_OPERATION > budget.bytes || budget.expired() {
        return None;
    }
    match judge(model, operations) {
        Ok(decision) => Some(decision),
        Err(refutation) => refutation.map(Decision::Illegal),
    }
}

fn judge(model: &VersionedRegister, operations: &[&Operation]) -> Answer {
    let mut clusters: BTreeMap<u64, Cluster<'_>> = BTreeMap::new();
    let mut pending: Vec<(&Operation, CellAction)> = Vec::new();
    for &operation in operations {
        let Some(step) = model.action(operation).map_err(|_| None)? else {
            continue;
        };
        if operation.completion.outcome == Outcome::Info {
            if !step.reads() {
                pending.push((operation, step.action));
            }
            continue;
        }
        if let CellAction::Contradiction(value) = &step.action {
            return Err(Some(Refutation {
                core: vec![operation.id],
                what: format!("{} contradicts itself", words::brief(operation)),
                sentence: format!(
                    "{} was told that the value differs from {value}, and at once that it is {value}.",
                    words::brief(operation)
                ),
            }));
        }
        let cluster = clusters.entry(step.version.ok_or(None)?).or_default();
        match step.action {
            CellAction::Read(value) => cluster.see(operation, value)?,
            CellAction::Differs(value) => cluster.denials.push((operation, value)),
            CellAction::Write(value) => cluster.make(operation, value, None)?,
            CellAction::Cas(expected, value) => cluster.make(operation, value, Some(expected))?,
            CellAction::Append(_) | CellAction::Contradiction(_) => return Err(None),
        }
    }
    for (version, cluster) in &clusters {
        cluster.agree(*version)?;
    }
    let writers = writers(model, &clusters, &pending)?;
    chained(model, &clusters, !pending.is_empty())?;
    in_time(&clusters, &writers)?;
    Ok(Decision::Legal)
}

fn refutation(core: &[&Operation], what: String, sentence: String) -> Option<Refutation> {
    Some(Refutation {
        core: core.iter().map(|operation| operation.id).collect(),
        what,
        sentence,
    })
}

impl<'h> Cluster<'h> {
    fn see(&mut self, read: &'h Operation, value: Value) -> Result<(), Option<Refutation>> {
        self.agrees(read, &value)?;
        self.value = Some(value);
        self.reads.push(read);
        Ok(())
    }

    fn make(
        &mut self,
        write: &'h Operation,
        value: Value,
        expected: Option<Value>,
    ) -> Result<(), Option<Refutation>> {
        if let Some(other) = self.writer {
            let (one, other) = (words::brief(other), words::brief(write));
            return Err(refutation(
                &[self.writer.unwrap_or(write), write],
                "one version was made twice".to_owned(),
                format!("{one} and {other} were told that they made the same version."),
            ));
        }
        self.agrees(write, &value)?;
        (self.writer, self.value, self.expected) = (Some(write), Some(value), expected);
        Ok(())
    }

    fn agrees(&self, operation: &Operation, value: &Value) -> Result<(), Option<Refutation>> {
        let Some(known) = self.value.as_ref().filter(|known| *known != value) else {
            return Ok(());
        };
        let other = self.writer.or(self.reads.first().copied()).unwrap_or(operation);
        Err(refutation(
            &[other, operation],
            format!("one version has two values, {known} and {value}"),
            format!(
                "{} and {} tell the same version, but not the same value: {known} and {value}.",
                words::brief(other),
                words::brief(operation)
            ),
        ))
    }

    /// Whether those that saw another value than one did.
    fn agree(&self, version: u64) -> Result<(), Option<Refutation>> {
        for (denial, unwanted) in &self.denials {
            let value = self.value.as_ref().ok_or(None)?;
            if value == unwanted {
                let other = self.writer.or(self.reads.first().copied()).unwrap_or(denial);
                return Err(refutation(
                    &[other, denial],
                    format!("{} was told a lie", words::brief(denial)),
                    format!(
                        "{} was told that the value is not {unwanted} in version {version}, but so it is.",
                        words::brief(denial)
                    ),
                ));
            }
        }
        Ok(())
    }

    fn operations(&self) -> impl Iterator<Item = &'h Operation> {
        let denials = self.denials.iter().map(|(denial, _)| *denial);
        self.writer
            .into_iter()
            .chain(self.reads.iter().copied())
            .chain(denials)
    }

    /// Whether it can be the initial version.
    fn initial(&self, model: &VersionedRegister) -> bool {
        self.writer.is_none() && self.value.as_ref() == Some(&model.cell().init())
    }
}

/// Who made each version that nobody told to have made; the initial one is left out.
fn writers<'h>(
    model: &VersionedRegister,
    clusters: &BTreeMap<u64, Cluster<'h>>,
    pending: &[(&'h Operation, CellAction)],
) -> Result<BTreeMap<u64, &'h Operation>, Option<Refutation>> {
    // The operation that completes first, of those that tell this version or a later one.
    let mut deadlines: BTreeMap<u64, Option<&'h Operation>> = BTreeMap::new();
    let mut first: Option<&'h Operation> = None;
    for (&version, cluster) in clusters.iter().rev() {
        first = first
            .into_iter()
            .chain(cluster.operations())
            .min_by_key(|operation| operation.returned());
        deadlines.insert(version, first);
    }
    let mut free: BTreeMap<&Value, std::collections::VecDeque<&'h Operation>> = BTreeMap::new();
    let mut swaps = Vec::new();
    for (operation, action) in pending {
        match action {
            CellAction::Write(value) => free.entry(value).or_default().push_back(operation),
            CellAction::Cas(_, value) => swaps.push(value),
            _ => return Err(None),
        }
    }
    let mut made: BTreeMap<u64, &'h Operation> = BTreeMap::new();
    for (place, (&version, cluster)) in clusters.iter().enumerate() {
        if cluster.writer.is_some() || (place == 0 && cluster.initial(model)) {
            continue;
        }
        let value = cluster.value.as_ref().ok_or(None)?;
        if swaps.contains(&value) {
            return Err(None);
        }
        let writer = free
            .get_mut(value)
            .and_then(std::collections::VecDeque::pop_front);
        let deadline = deadlines[&version].ok_or(None)?;
        let in_time = writer.filter(|writer| writer.invoked.index < deadline.returned());
        let Some(writer) = in_time else {
            // It would have to be there already when a later version was told.
            let late = writer.map(|_| deadline);
            return Err(from_nowhere(model, clusters, &made, version, late));
        };
        made.insert(version, writer);
    }
    Ok(made)
}

/// Why nobody can have made a version: those that saw the same value in earlier ones need each writer that there was,
/// and the initial value was there before the first version only.
fn from_nowhere<'h>(
    model: &VersionedRegister,
    clusters: &BTreeMap<u64, Cluster<'h>>,
    made: &BTreeMap<u64, &'h Operation>,
    version: u64,
    late: Option<&'h Operation>,
) -> Option<Refutation> {
    let cluster = &clusters[&version];
    let saw = |cluster: &Cluster<'h>| cluster.reads.iter().copied().min_by_key(|read| read.returned());
    let first = saw(cluster)?;
    let value = cluster.value.as_ref()?;
    let mut core = vec![first];
    let mut others = 0;
    for (other, writer) in made {
        let other = &clusters[other];
        if other.value == cluster.value {
            core.extend(saw(other).into_iter().chain([*writer]));
            others += 1;
        }
    }
    if *value == model.cell().init()
        && let Some((lowest, earlier)) = clusters.first_key_value()
    {
        let writer = earlier.writer.or(made.get(lowest).copied());
        core.extend(writer.or(saw(earlier)));
    }
    let late = late.filter(|late| late.id != first.id);
    core.extend(late);
    let told = late.and_then(|late| clusters.get(&late.completion.version?));
    core.extend(told.and_then(|told| told.writer));
    let by_then = late.map_or("by then".to_owned(), |late| {
        format!("before {} completed", words::brief(late))
    });
    let spent = match others {
        0 => String::new(),
        1 => ", but for the one that made an earlier version".to_owned(),
        others => format!(", but for the {others} that made earlier versions"),
    };
    refutation(
        &core,
        format!("{} comes from nowhere", words::brief(first)),
        format!(
            "{} saw {value} in version {version}, which no operation can have made {by_then}{spent}.",
            words::brief(first)
        ),
    )
}

/// Whether each compare-and-set found what was there before. Left open where an unknown write may have been.
fn chained(
    model: &VersionedRegister,
    clusters: &BTreeMap<u64, Cluster<'_>>,
    unknown: bool,
) -> Result<(), Option<Refutation>> {
    let initial = model.cell().init();
    let mut before: Option<&Cluster<'_>> = None;
    for cluster in clusters.values() {
        let value = before
            .and_then(|before| before.value.as_ref())
            .unwrap_or(&initial);
        if let (Some(expected), Some(writer)) = (&cluster.expected, cluster.writer)
            && expected != value
        {
            if unknown {
                return Err(None);
            }
            let other = before.and_then(|before| before.operations().next());
            let core: Vec<&Operation> = other.into_iter().chain([writer]).collect();
            return Err(refutation(
                &core,
                format!("{} succeeded although the value differed", words::brief(writer)),
                format!(
                    "{} succeeded, but the value of the version before the one that it made is {value}.",
                    words::brief(writer)
                ),
            ));
        }
        before = Some(cluster);
    }
    Ok(())
}

/// Compares the order of the versions with real time.
fn in_time(
    clusters: &BTreeMap<u64, Cluster<'_>>,
    made: &BTreeMap<u64, &Operation>,
) -> Result<(), Option<Refutation>> {
    let mut latest: Option<(&Operation, u64)> = None;
    let backwards = |operation: &Operation, version: u64, latest: Option<(&Operation, u64)>| {
        let Some((earlier, told)) =
            latest.filter(|(earlier, _)| operation.returned() < earlier.invoked.index)
        else {
            return Ok(());
        };
        let (brief, other) = (words::brief(operation), words::brief(earlier));
        Err(refutation(
            &[operation, earlier],
            "versions went backwards".to_owned(),
            if told == version {
                format!(
                    "{brief} had completed in version {version} before {other} was invoked, which made it."
                )
            } else {
                format!(
                    "{brief} had completed in version {version} before {other} was invoked, yet that one is in version {told}."
                )
            },
        ))
    };
    for (&version, cluster) in clusters {
        let writer = cluster.writer.or(made.get(&version).copied());
        if let Some(writer) = writer {
            backwards(writer, version, latest)?;
            latest = later(writer, version, latest);
        }
        for operation in cluster.operations() {
            backwards(operation, version, latest)?;
        }
        for operation in cluster.operations() {
            latest = later(operation, version, latest);
        }
    }
    Ok(())
}

/// What was invoked last, with its version.
fn later<'h>(
    operation: &'h Operation,
    version: u64,
    latest: Option<(&'h Operation, u64)>,
) -> Option<(&'h Operation, u64)> {
    match latest {
        Some((other, _)) if other.invoked.index > operation.invoked.index => latest,
        _ => Some((operation, version)),
    }
}
