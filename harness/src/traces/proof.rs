//! The steps that a story of a broken invariant tells: those that prove it with the one that broke it, and the last ones.

use std::collections::BTreeMap;

use perjury_simulator::spoken::{named, spoken};

/// Sentences of a story at most.
const SENTENCES: usize = 8;

/// Of these, how many tell steps that are chosen for what they name.
const AKIN: usize = 5;

/// Steps before the breach that are looked at, at most.
const LOOKED_AT: usize = 100_000;

/// A value that more steps name says nothing of any one of them.
const COMMON: usize = 100;

/// What says so many times less than the step that says most is left out.
const FAR: f64 = 4.5;

/// Something that a node wrote down of itself.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Steps of one event belong together.
    pub(super) event: u64,
    pub(super) seconds: f64,
    pub(super) node: String,
    /// As `Debug` writes it.
    pub(super) text: String,
}

impl Step {
    fn name(&self) -> &str {
        self.text.split([' ', '{', '(']).next().unwrap_or(&self.text)
    }

    /// The value of the first of these fields that it has.
    fn place(&self, fields: &[&str]) -> Option<u64> {
        let named = named(&self.text);
        let found = named.iter().find(|(field, _)| fields.contains(&&**field))?;
        found.1.parse().ok()
    }

    /// A line of a story: `3.210 s  n2: became leader (term 4)`.
    fn told(&self) -> String {
        format!("{:.3} s  {}: {}", self.seconds, self.node, spoken(&self.text))
    }
}

/// Of steps that come newest first: those of the event that broke the invariant, those before it that name what it names,
/// what a read should have seen, and the last ones whose names the story wants. Oldest first. `sentence` says what was
/// broken.
pub(super) fn chosen(
    newest_first: impl Iterator<Item = Step>,
    story: &[&str],
    sentence: &str,
) -> Vec<String> {
    let steps: Vec<Step> = newest_first.take(LOOKED_AT).collect();
    let Some(newest) = steps.first() else {
        return Vec::new();
    };
    let breaking = steps.iter().take_while(|step| step.event == newest.event).count();
    let mut places: Vec<usize> = (0..breaking.min(SENTENCES - AKIN)).collect();
    let (broken, before) = steps.split_at(breaking);
    places.extend(unseen(broken, before).into_iter().map(|place| breaking + place));
    let mut add = |more: &mut dyn Iterator<Item = usize>, most: usize| {
        for place in more {
            if places.len() >= most {
                break;
            }
            if !places.contains(&place) {
                places.push(place);
            }
        }
    };
    let akin = akin(broken, before, story, sentence);
    add(
        &mut akin.into_iter().map(|place| breaking + place),
        breaking.min(SENTENCES - AKIN) + AKIN,
    );
    let wanted = |place: &usize| story.contains(&steps[*place].name());
    add(&mut (breaking..steps.len()).filter(wanted), SENTENCES);
    places.sort_unstable();
    places.iter().rev().map(|place| steps[*place].told()).collect()
}

/// If a read broke it: when it was asked for, and the newest write that was acknowledged before.
fn unseen(broken: &[Step], before: &[Step]) -> Vec<usize> {
    const PLACES: &[&str] = &["index", "slot"];
    let own = |read: &Step| {
        let id = named(&read.text).into_iter().find(|(field, _)| field == "id");
        let asked = |step: &Step| {
            step.node == read.node
                && step.name() == "ReadInvoked"
                && id == named(&step.text).into_iter().next()
        };
        before.iter().position(asked)
    };
    let asked = broken
        .iter()
        .filter(|step| step.name() == "ReadServed")
        .find_map(own);
    let Some(asked) = asked else { return Vec::new() };
    let acknowledged = before
        .iter()
        .enumerate()
        .skip(asked)
        .filter(|(_, step)| step.name() == "Acked")
        .filter_map(|(place, step)| Some((step.place(PLACES)?, place)))
        .max();
    acknowledged
        .map(|(_, place)| place)
        .into_iter()
        .chain([asked])
        .collect()
}

/// Steps that name what the breaking ones name, those first of which that says most: a value that few steps name says more
/// than one that many do, and of the same node, and of the same kind, it says more than elsewhere.
fn akin(broken: &[Step], before: &[Step], story: &[&str], sentence: &str) -> Vec<usize> {
    let mut sharing: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for value in broken.iter().flat_map(|step| named(&step.text)) {
        sharing.insert(value, Vec::new());
    }
    // Requests and places in a log are numbered by each node for itself, from the beginning after each start.
    sharing.retain(|(field, _), _| field != "id" && field != "at");
    let of_broken = |step: &Step| broken.iter().any(|one| one.node == step.node);
    for (place, step) in before.iter().enumerate() {
        for value in named(&step.text) {
            if let Some(places) = sharing.get_mut(&value) {
                places.push(place);
            }
        }
    }
    let mut worth: BTreeMap<usize, f64> = BTreeMap::new();
    for places in sharing.values().filter(|places| places.len() <= COMMON) {
        for place in places {
            *worth.entry(*place).or_default() += 1.0 / places.len() as f64;
        }
    }
    let alike = |step: &Step| {
        broken
            .iter()
            .any(|one| one.node == step.node && one.name() == step.name())
    };
    // What the sentence is about: a step of another term says nothing of what happened in this one.
    let said: Vec<(String, String)> = broken
        .iter()
        .flat_map(|step| named(&step.text))
        .filter(|(field, value)| says(sentence, &format!("{field} {value}")))
        .collect();
    let elsewhere = |step: &Step| {
        let named = named(&step.text);
        let other =
            |(field, value): &(String, String)| said.iter().any(|(of, is)| of == field && is != value);
        named.iter().any(other)
    };
    let mut akin: Vec<(f64, usize)> = worth
        .into_iter()
        .filter(|(place, _)| !elsewhere(&before[*place]))
        .filter(|(place, _)| of_broken(&before[*place]) || story.contains(&before[*place].name()))
        .map(|(place, worth)| {
            let step = &before[place];
            let near = if alike(step) {
                4.0
            } else if of_broken(step) {
                2.0
            } else {
                1.0
            };
            (worth * near, place)
        })
        .collect();
    akin.sort_by(|(one, place), (other, later)| other.total_cmp(one).then(place.cmp(later)));
    let best = akin.first().map_or(0.0, |(worth, _)| *worth);
    akin.retain(|(worth, _)| worth * FAR >= best);
    akin.into_iter().map(|(_, place)| place).collect()
}

/// Whether a sentence has these words, and not only the beginning of longer ones.
fn says(sentence: &str, words: &str) -> bool {
    let ends = |at: usize| !sentence[at + words.len()..].starts_with(|next: char| next.is_alphanumeric());
    sentence.match_indices(words).any(|(at, _)| ends(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &[&str] = &["Campaigned", "Voted", "VoteCounted", "BecameLeader"];

    /// Steps a millisecond apart, `n3: Voted { … }` each.
    fn story(steps: &[&str]) -> Vec<String> {
        story_of("an invariant broke", steps)
    }

    fn story_of(sentence: &str, steps: &[&str]) -> Vec<String> {
        let steps = steps.iter().enumerate().map(|(at, step)| {
            let (node, text) = step.split_once(": ").expect("a node and a step");
            Step {
                event: at as u64,
                seconds: at as f64 / 1e3,
                node: node.to_owned(),
                text: text.to_owned(),
            }
        });
        let told = chosen(steps.rev(), STORY, sentence);
        let without_time = told
            .iter()
            .map(|line| line.split_once("  ").expect("a time").1.to_owned());
        without_time.collect()
    }

    #[test]
    fn a_second_vote_is_told_with_the_first_whatever_came_between() {
        let mut steps = vec![
            "n5: Campaigned { term: 23 }",
            "n3: Voted { term: 23, candidate: NodeId(5) }",
        ];
        steps.extend(["n4: Voted { term: 24, candidate: NodeId(2) }"; 30]);
        steps.extend([
            "n1: Campaigned { term: 23 }",
            "n3: Voted { term: 23, candidate: NodeId(1) }",
        ]);

        let told = story(&steps);

        assert_eq!(told.len(), SENTENCES);
        assert_eq!(told.last().expect("a story"), "n3: voted (term 23, candidate n1)");
        for proof in [
            "n3: voted (term 23, candidate n5)",
            "n5: campaigned (term 23)",
            "n1: campaigned (term 23)",
        ] {
            assert!(
                told.iter().any(|line| line == proof),
                "{proof} is missing: {told:#?}"
            );
        }
    }

    #[test]
    fn votes_of_other_terms_are_no_part_of_a_double_vote() {
        let mut steps = vec![
            "n3: Voted { term: 2, candidate: NodeId(1) }",
            "n3: Voted { term: 23, candidate: NodeId(5) }",
        ];
        steps.extend(["n4: Campaigned { term: 24 }"; 30]);
        steps.push("n3: Voted { term: 23, candidate: NodeId(1) }");
        let told = story_of("at n3: in term 23 it voted for n5 and for n1", &steps);
        assert!(
            told.iter().any(|line| line.contains("term 23, candidate n5")),
            "{told:#?}"
        );
        assert!(!told.iter().any(|line| line.contains("term 2,")), "{told:#?}");
        assert!(!says("in term 23", "term 2") && says("in term 2, twice", "term 2"));
    }

    #[test]
    fn a_stale_read_is_told_with_the_acknowledgement_that_it_missed() {
        let mut steps = vec![
            "n2: Acked { id: RequestId(8), index: 1497 }",
            "n2: Acked { id: RequestId(7), index: 1496 }",
            "n2: ReadInvoked { id: RequestId(5) }",
            "n4: ReadInvoked { id: RequestId(5) }",
            "n2: Acked { id: RequestId(9), index: 1498 }",
            "n2: ReadServed { id: RequestId(5), index: 1498 }",
        ];
        steps.extend(["n1: BecameLeader { term: 24 }"; 30]);
        steps.push("n4: ReadServed { id: RequestId(5), index: 1462 }");

        let told = story(&steps);

        assert_eq!(told[0], "n2: acked (id 8, index 1497)");
        assert_eq!(told[1], "n4: read invoked (id 5)");
        assert_eq!(
            told.last().expect("a story"),
            "n4: read served (id 5, index 1462)"
        );
        assert!(!told.iter().any(|line| line.contains("1498")), "{told:#?}");
    }

    #[test]
    fn what_every_step_names_chooses_none_of_them() {
        let mut steps = vec![
            "n1: Began { key: \"k1\", epoch: 1 }",
            "n2: Began { key: \"k7\", epoch: 1 }",
        ];
        steps.extend(["n2: Began { key: \"k1\", epoch: 1 }"; 150]);
        steps.push("n2: Began { key: \"k7\", epoch: 1 }");

        assert_eq!(story(&steps), ["n2: began (key k7, epoch 1)"; 2]);
    }

    #[test]
    fn a_story_without_steps_is_empty() {
        assert!(story(&[]).is_empty());
    }
}
