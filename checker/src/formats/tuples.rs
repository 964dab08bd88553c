//! Jepsen's independent keys: `{:f :read, :value [7 nil]}` is a read of key 7.
//!
//! Jepsen puts the key into the value. A history is taken to be of that kind if no event has a key of its own, and some
//! operation that takes no argument (a read, a dequeue, an acquire, …) was invoked with a pair `[key nil]`; on a single
//! object it is invoked with `nil` alone. Then every operation has to tell its key, as a number or a text, but those
//! that say nothing: where one does not, neither reading would be right.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::jepsen::Told;
use super::{FormatError, Parsed};
use crate::history::{Function, Operation, Outcome, Value};

/// Takes keys out of values, if the history has them there.
///
/// # Errors
/// The first operation that does not tell its key, where others do; the first compare-and-set, where nothing shows
/// whether what it was invoked with begins with a key.
pub(super) fn split(told: Told) -> Result<Parsed, FormatError> {
    let Told { mut parsed, lines } = told;
    let operations = &mut parsed.history.operations;
    if operations.iter().any(|operation| operation.key.is_some()) {
        return Ok(parsed);
    }
    let line = |operation: &Operation| lines.get(operation.id).copied().unwrap_or(1);
    if !operations.iter().any(asks) {
        return match operations.iter().find(|operation| operation.f == Function::Cas) {
            Some(cas) if operations.iter().all(may_be_tuple) => Err(FormatError::new(
                line(cas),
                format!(
                    "{} may be a key with a compare-and-set, or the compare-and-set itself",
                    cas.argument
                ),
                "give each event its :key, which may be the same for all",
            )),
            _ => Ok(parsed),
        };
    }
    if let Some(strange) = operations.iter().find(|one| !is_tuple(one) && !says_nothing(one)) {
        return Err(FormatError::new(
            line(strange),
            "this operation does not tell its key as [key value], as others do",
            "write each invocation's value and its result as [key value], or give each event its :key",
        ));
    }
    let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
    for operation in operations {
        let Some((key, argument)) = halves(&operation.argument) else {
            continue;
        };
        let name = match key {
            Value::Text(text) => text.to_string(),
            other => other.to_string(),
        };
        if let Some((_, value)) = halves(&operation.completion.value).filter(|(other, _)| *other == key) {
            operation.completion.value = value.clone();
        }
        operation.argument = argument.clone();
        let name = names.entry(name).or_insert_with_key(|name| name.as_str().into());
        operation.key = Some(Arc::clone(name));
    }
    Ok(parsed)
}

/// The key and the value of a pair that may be a tuple.
fn halves(value: &Value) -> Option<(&Value, &Value)> {
    let Value::List(pair) = value else { return None };
    match &**pair {
        [key @ (Value::Int(_) | Value::Text(_)), value] => Some((key, value)),
        _ => None,
    }
}

/// Whether it takes no argument and was invoked with a key and none.
fn asks(operation: &Operation) -> bool {
    let alone = match &operation.f {
        Function::Read | Function::Delete | Function::Increment => true,
        Function::Other(name) => matches!(
            &**name,
            "dequeue" | "pop" | "acquire" | "renew" | "release" | "generate"
        ),
        _ => false,
    };
    alone && matches!(halves(&operation.argument), Some((_, Value::Nil)))
}

/// Whether it tells its key, and the same at its completion.
fn is_tuple(operation: &Operation) -> bool {
    let Some((key, _)) = halves(&operation.argument) else {
        return false;
    };
    let completed = match &operation.completion.value {
        Value::Nil => true,
        // Why it did not succeed may stand there instead.
        value => {
            operation.completion.outcome != Outcome::Ok
                || halves(value).is_some_and(|(other, _)| other == key)
        }
    };
    operation.completion.observed.is_none() && completed
}

/// Whether nothing can be concluded from it, whatever its key is.
fn says_nothing(operation: &Operation) -> bool {
    match operation.completion.outcome {
        Outcome::Ok => false,
        Outcome::Fail => !operation.precondition_failed(),
        Outcome::Info => operation.f == Function::Read,
    }
}

/// Whether it could be a tuple: a compare-and-set within one is a pair itself.
fn may_be_tuple(operation: &Operation) -> bool {
    let pair = |value: &Value| matches!(value, Value::List(pair) if pair.len() == 2);
    let inside = halves(&operation.argument).map(|(_, value)| value);
    is_tuple(operation) && (operation.f != Function::Cas || inside.is_some_and(pair))
}

#[cfg(test)]
mod tests {
    use crate::formats::Format;
    use crate::models::ModelName;
    use crate::{Options, Verdict};

    const TWO_KEYS: &str = "
        {:process 0, :type :invoke, :f :write, :value [1 5]}
        {:process 0, :type :ok, :f :write, :value [1 5]}
        {:process 1, :type :invoke, :f :cas, :value [2 [0 6]]}
        {:process 1, :type :info, :f :cas, :value [2 [0 6]], :error :timeout}
        {:process 0, :type :invoke, :f :read, :value [1 nil]}
        {:process 0, :type :ok, :f :read, :value [1 5]}
        {:process 2, :type :invoke, :f :read, :value [2 nil]}";

    #[test]
    fn keys_inside_values_are_not_taken_for_values() {
        let parsed = Format::Edn.read(TWO_KEYS.as_bytes()).expect("well-formed");
        let shown: Vec<String> = parsed
            .history
            .operations
            .iter()
            .map(|operation| {
                let key = operation.key.as_deref().unwrap_or("none");
                format!("{key}: {} → {}", operation.argument, operation.completion.value)
            })
            .collect();
        assert_eq!(shown[0], "1: 5 → 5");
        assert!(
            shown[1].starts_with("2: [0 6]") || shown[1].starts_with("2: [0,6]"),
            "{}",
            shown[1]
        );
        assert_eq!(shown[2], "1: nil → 5");
        let finding = ModelName::CasRegister.check(&parsed.history, &parsed.options, &Options::default());
        assert_eq!(finding.verdict, Verdict::Valid, "{}", finding.sentence);
    }

    #[test]
    fn pairs_of_a_compare_and_set_are_not_taken_for_keys() {
        let text = "{:process 0, :type :invoke, :f :cas, :value [1 5]}
            {:process 0, :type :ok, :f :cas, :value [1 5]}
            {:process 0, :type :invoke, :f :read, :value nil}";
        let parsed = Format::Edn.read(text.as_bytes()).expect("well-formed");
        assert!(
            parsed
                .history
                .operations
                .iter()
                .all(|operation| operation.key.is_none())
        );
    }
}
