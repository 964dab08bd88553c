//! Schedules as text.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use perjury_systems::replica::NodeId;

use super::{Schedule, Step};

/// The most nodes of a schedule.
const MAX_NODES: u16 = 15;

/// A text that is no schedule, with the line and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError(pub String);

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScheduleError {}

/// A repetition that has not ended.
struct Open {
    line: usize,
    times: usize,
    steps: Vec<(usize, Step)>,
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut schedule = Schedule {
            about: String::new(),
            system: "raft".to_owned(),
            nodes: 0,
            members: 0,
            settings: BTreeMap::new(),
            convicts: Vec::new(),
            steps: Vec::new(),
        };
        // The repetitions that have not ended.
        let mut open: Vec<Open> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |problem: String| ScheduleError(format!("line {line}: {problem}"));
            let text = text.trim();
            if let Some(comment) = text.strip_prefix('#') {
                if schedule.nodes == 0 {
                    let gap = if schedule.about.is_empty() { "" } else { " " };
                    schedule.about += gap;
                    schedule.about += comment.trim();
                }
                continue;
            }
            let words: Vec<&str> = text.split_whitespace().collect();
            let Some((verb, rest)) = words.split_first() else {
                continue;
            };
            match (*verb, rest) {
                ("repeat", [times]) => open.push(Open {
                    line,
                    times: number(times).map_err(wrong)?,
                    steps: Vec::new(),
                }),
                ("end", []) => {
                    let Some(Open {
                        line: began,
                        times,
                        steps,
                    }) = open.pop()
                    else {
                        return Err(wrong("`end` without a `repeat` before it".to_owned()));
                    };
                    let place = open
                        .last_mut()
                        .map_or(&mut schedule.steps, |open| &mut open.steps);
                    place.push((began, Step::Repeat(times, steps)));
                }
                _ if header(&mut schedule, verb, rest).map_err(wrong)? => {}
                _ => {
                    if schedule.nodes == 0 {
                        return Err(wrong("say `nodes N` before the first step".to_owned()));
                    }
                    let step = step(verb, rest, schedule.nodes).map_err(wrong)?;
                    let place = open
                        .last_mut()
                        .map_or(&mut schedule.steps, |open| &mut open.steps);
                    place.push((line, step));
                }
            }
        }
        if let Some(Open { line, .. }) = open.pop() {
            return Err(ScheduleError(format!("line {line}: `repeat` without an `end`")));
        }
        if schedule.steps.is_empty() {
            return Err(ScheduleError("there is no step in it".to_owned()));
        }
        Ok(schedule)
    }
}

/// Takes a line that describes the cluster. Says whether it was one.
fn header(schedule: &mut Schedule, verb: &str, rest: &[&str]) -> Result<bool, String> {
    match (verb, rest) {
        ("system", [name]) => schedule.system = (*name).to_owned(),
        ("nodes", [count]) => {
            schedule.nodes = number(count)?;
            if !(1..=MAX_NODES).contains(&schedule.nodes) {
                return Err(format!("a schedule has 1 to {MAX_NODES} nodes"));
            }
            schedule.members = schedule.nodes;
        }
        ("members", [count]) => {
            schedule.members = number(count)?;
            if !(1..=schedule.nodes).contains(&schedule.members) {
                return Err("members are some of the nodes; say `nodes N` first".to_owned());
            }
        }
        ("set", [setting]) => {
            let (name, value) = setting
                .split_once('=')
                .ok_or_else(|| format!("{setting:?} is not NAME=VALUE"))?;
            schedule.settings.insert(name.to_owned(), value.to_owned());
        }
        ("convicts", [mutant]) => schedule.convicts.push((*mutant).to_owned()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is not a number, or too large a one"))
}

fn step(verb: &str, rest: &[&str], nodes: u16) -> Result<Step, String> {
    let node = |word: &str| -> Result<NodeId, String> {
        word.strip_prefix('n')
            .and_then(|digits| digits.parse().ok())
            .filter(|id| (1..=nodes).contains(id))
            .map(NodeId)
            .ok_or_else(|| format!("{word:?} is no node; they are n1 to n{nodes}"))
    };
    let some = |words: &[&str]| words.iter().map(|word| node(word)).collect::<Result<Vec<_>, _>>();
    Ok(match (verb, rest) {
        ("timer", [who, name]) => Step::Timer(node(who)?, (*name).to_owned()),
        ("elect", [who, voters @ ..]) => Step::Elect(node(who)?, some(voters)?),
        ("beat", [who, others @ ..]) => Step::Beat(node(who)?, some(others)?),
        ("deliver", [from, to]) => Step::Deliver(node(from)?, node(to)?, None),
        ("deliver", [from, to, count]) => Step::Deliver(node(from)?, node(to)?, Some(number(count)?)),
        ("hold", [from, to]) => Step::Hold(node(from)?, node(to)?),
        ("release", [from, to]) => Step::Release(node(from)?, node(to)?),
        ("lose", []) => Step::Lose(None),
        ("lose", [from, to]) => Step::Lose(Some((node(from)?, node(to)?))),
        ("write", [at, key, value]) => Step::Write(node(at)?, (*key).to_owned(), number(value)?),
        ("read", [at, key]) => Step::Read(node(at)?, (*key).to_owned()),
        ("join", [at, who]) => Step::Join(node(at)?, node(who)?),
        ("leave", [at, who]) => Step::Leave(node(at)?, node(who)?),
        ("replace", [at, leaves, joins]) => Step::Replace(node(at)?, node(leaves)?, node(joins)?),
        ("kill", [who]) => Step::Kill(node(who)?, 0),
        ("kill", [who, keeps]) => Step::Kill(node(who)?, number(keeps)?),
        ("start", [who]) => Step::Start(node(who)?),
        ("wipe", [who]) => Step::Wipe(node(who)?),
        ("hold-disk", [who]) => Step::HoldDisk(node(who)?),
        ("sync", [who]) => Step::Sync(node(who)?),
        ("expect", [who, "leads"]) => Step::ExpectLeader(node(who)?),
        ("serve", [first, others @ ..]) => {
            let mut majority = vec![node(first)?];
            majority.extend(some(others)?);
            Step::Serve(majority)
        }
        _ => return Err(format!("no step reads `{verb} {}`; {STEPS}", rest.join(" "))),
    })
}

const STEPS: &str = "steps are `timer N NAME`, `elect N VOTER…`, `beat N OTHER…`, `deliver FROM TO [COUNT]`, \
                     `hold FROM TO`, `release FROM TO`, `lose [FROM TO]`, `write N KEY VALUE`, `read N KEY`, \
                     `join N WHO`, `leave N WHO`, `replace N LEAVES JOINS`, `kill N [KEEPS]`, `start N`, `wipe N`, \
                     `hold-disk N`, `sync N`, `expect N leads`, `serve N…`, `repeat TIMES` … `end`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_line_is_named_with_what_would_be_right() {
        for (text, problem) in [
            ("", "there is no step in it"),
            ("elect n1 n2", "line 1: say `nodes N` before the first step"),
            ("nodes 99", "line 1: a schedule has 1 to 15 nodes"),
            (
                "nodes 3\n\nelect n4",
                "line 3: \"n4\" is no node; they are n1 to n3",
            ),
            (
                "nodes 3\nwrite n1 x y",
                "line 2: \"y\" is not a number, or too large a one",
            ),
            ("nodes 3\nset prevote", "line 2: \"prevote\" is not NAME=VALUE"),
            ("nodes 3\nrepeat 2\nlose", "line 2: `repeat` without an `end`"),
            ("nodes 3\nend", "line 2: `end` without a `repeat` before it"),
        ] {
            let parsed = text.parse::<Schedule>();
            assert_eq!(parsed, Err(ScheduleError(problem.to_owned())), "{text}");
        }
        let error = "nodes 3\ndance n1".parse::<Schedule>().expect_err("no step");
        assert!(
            error
                .0
                .starts_with("line 2: no step reads `dance n1`; steps are `timer N NAME`")
        );
    }
}
