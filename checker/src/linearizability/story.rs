//! A witness in words that an engineer understands in one read.

use super::lies::{Lie, Scene, general};
use super::orders;
use super::problem::Op;
use super::witness::Kernel;
use crate::history::{Key, Operation, Outcome};
use crate::models::Model;
use crate::verdict::Witness;
use crate::words;

/// The most sentences about single operations.
const SHOWN_OPERATIONS: usize = 12;
/// The most operations with unknown outcomes that are named.
const SHOWN_PENDING: usize = 3;

/// Turns kernels into witnesses.
pub(crate) struct Teller<'a, M: Model> {
    /// All operations of the key.
    operations: &'a [&'a Operation],
    /// Those that constrain something, in numbers.
    ops: &'a [Op],
    model: &'a M,
}

impl<'a, M: Model> Teller<'a, M> {
    pub(crate) fn new(operations: &'a [&'a Operation], ops: &'a [Op], model: &'a M) -> Self {
        Teller {
            operations,
            ops,
            model,
        }
    }

    fn essential(&self, kernel: &[usize]) -> Vec<&'a Operation> {
        let find = |id: usize| {
            self.operations
                .binary_search_by_key(&id, |operation| operation.id)
                .ok()
        };
        kernel
            .iter()
            .filter_map(|&index| find(self.ops[index].id))
            .map(|place| self.operations[place])
            .collect()
    }

    fn scene<'s>(&'s self, essential: &'s [&'a Operation]) -> Option<Scene<'s>> {
        let culprit = essential
            .iter()
            .copied()
            .max_by_key(|operation| operation.returned())?;
        Some(Scene::new(
            self.model.cell()?,
            self.operations,
            essential,
            culprit,
        ))
    }

    /// The operations (indexes) that show where the values of a kernel come from.
    pub(crate) fn sources(&self, kernel: &[usize]) -> Vec<usize> {
        let essential = self.essential(kernel);
        let sources = self
            .scene(&essential)
            .map(|scene| scene.sources())
            .unwrap_or_default();
        let place = |operation: &Operation| self.ops.binary_search_by_key(&operation.id, |op| op.id).ok();
        sources.into_iter().filter_map(place).collect()
    }

    /// Which outcomes were considered of operations that had not completed when the culprit did.
    fn unknown(&self, culprit: &Operation) -> Option<String> {
        let end = culprit.returned();
        let pending: Vec<&Operation> = self
            .operations
            .iter()
            .copied()
            .take_while(|operation| operation.invoked.index < end)
            .filter(|operation| operation.completion.outcome == Outcome::Info)
            .filter(|operation| self.ops.binary_search_by_key(&operation.id, |op| op.id).is_ok())
            .collect();
        let named = |operation: &&Operation| words::brief(operation);
        match &pending[..] {
            [] => None,
            [one] => Some(format!(
                "{} never learned its outcome; that it took effect, at any time from then on, was considered, and that \
                 it never did.",
                words::sentence(&named(one))
            )),
            many => {
                let mut names: Vec<String> = many.iter().take(SHOWN_PENDING).map(named).collect();
                if many.len() > SHOWN_PENDING {
                    names.push(format!("{} more", many.len() - SHOWN_PENDING));
                }
                Some(format!(
                    "{} operations never learned their outcome ({}); of each was considered that it took effect, at any \
                     time from then on, and that it never did.",
                    many.len(),
                    names.join(", ")
                ))
            }
        }
    }

    /// The witness that a kernel makes, and the lie in a few words.
    pub(crate) fn tell(&self, kernel: &Kernel, key: Option<&Key>) -> (Witness, Option<String>) {
        let essential = self.essential(&kernel.ops);
        let culprit = essential
            .iter()
            .copied()
            .max_by_key(|operation| operation.returned());
        let mut shown = essential.clone();
        let mut lie = culprit.map(general);
        if let Some(scene) = self.scene(&essential) {
            shown.extend(scene.sources());
            lie = Some(scene.lie());
        }
        let idle = !kernel.minimal && kernel.ops.len() > 2;
        self.told(shown, culprit, key, lie, idle)
    }

    /// The witness that all operations make together, told with a lie that is known.
    pub(crate) fn tell_all(&self, key: Option<&Key>, lie: Lie) -> (Witness, Option<String>) {
        let shown = self.operations.to_vec();
        let culprit = shown
            .iter()
            .copied()
            .filter(|operation| operation.completion.outcome != Outcome::Info)
            .max_by_key(|operation| operation.returned());
        self.told(shown, culprit, key, Some(lie), false)
    }

    fn told(
        &self,
        mut shown: Vec<&Operation>,
        culprit: Option<&Operation>,
        key: Option<&Key>,
        lie: Option<Lie>,
        perhaps_idle: bool,
    ) -> (Witness, Option<String>) {
        shown.sort_by_key(|operation| operation.id);
        shown.dedup_by_key(|operation| operation.id);
        let mut story: Vec<String> = shown
            .iter()
            .take(SHOWN_OPERATIONS)
            .map(|operation| words::did(operation))
            .collect();
        if shown.len() > SHOWN_OPERATIONS {
            story.push(format!(
                "{} more operations take part.",
                shown.len() - SHOWN_OPERATIONS
            ));
        }
        if perhaps_idle {
            story.push(
                "Together these are a violation; perhaps fewer of them would be one too, which was not tried to the \
                 end."
                    .to_owned(),
            );
        }
        story.extend(culprit.and_then(|culprit| self.unknown(culprit)));
        let (what, sentence) = lie.map(|Lie { what, sentence }| (what, sentence)).unzip();
        story.extend(sentence.map(|sentence| words::sentence(&sentence)));
        let witness = Witness {
            key: key.cloned(),
            orders: orders::longest(&shown, self.model),
            operations: shown.into_iter().cloned().collect(),
            culprit: culprit.map(|operation| operation.id),
            story,
        };
        (witness, what)
    }
}
