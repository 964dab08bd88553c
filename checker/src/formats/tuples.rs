//! Jepsen's independent keys: `{:f :read, :value [7 nil]}` is a read of key 7.
//!
//! Jepsen puts the key into the value. A history is taken to be of that kind if no event has a key of its own,
//! the value of every operation is a pair whose first half is a number or a text, the same at its completion,
//! and some read was invoked with a pair `[key nil]`; a read of a single object is invoked with `nil` alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{Function, History, Operation, Value};

/// Takes keys out of values, if the history has them there.
pub(super) fn split(history: &mut History) {
    let operations = &mut history.operations;
    let asks = |operation: &Operation| {
        operation.f == Function::Read && matches!(halves(&operation.argument), Some((_, Value::Nil)))
    };
    if !operations.iter().any(asks) || !operations.iter().all(is_tuple) {
        return;
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
        let argument = argument.clone();
        let name = names.entry(name).or_insert_with_key(|name| name.as_str().into());
        operation.key = Some(Arc::clone(name));
        operation.argument = argument;
        if let Some((_, value)) = halves(&operation.completion.value) {
            operation.completion.value = value.clone();
        }
    }
}

/// The key and the value of a pair that may be a tuple.
fn halves(value: &Value) -> Option<(&Value, &Value)> {
    let Value::List(pair) = value else { return None };
    match &**pair {
        [key @ (Value::Int(_) | Value::Text(_)), value] => Some((key, value)),
        _ => None,
    }
}

fn is_tuple(operation: &Operation) -> bool {
    let Some((key, _)) = halves(&operation.argument) else {
        return false;
    };
    let completed = match &operation.completion.value {
        Value::Nil => true,
        value => halves(value).is_some_and(|(other, _)| other == key),
    };
    operation.key.is_none() && operation.completion.observed.is_none() && completed
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
