//! The JSON schema of `verdict.json` says what is written: no less, and no more.

mod samples;

use std::collections::BTreeSet;

use perjury_nemesis::Node;
use perjury_results::{MutantSeen, SystemFailure};
use samples::{Sample, run};
use serde_json::Value;

const SCHEMA: &str = include_str!("../schemas/verdict.schema.json");

/// Compares a value with a schema: the keywords that ours uses, and none besides. Stricter than a validator in
/// one point: a property that the schema does not describe is a problem.
struct Comparison<'s> {
    root: &'s Value,
    problems: Vec<String>,
    /// Properties that the schema describes and that were met, by their place in the schema.
    met: BTreeSet<String>,
}

impl<'s> Comparison<'s> {
    fn compare(&mut self, value: &Value, schema: &'s Value, place: &str) {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(path) => self
                .root
                .pointer(path.trim_start_matches('#'))
                .expect("a definition"),
            None => schema,
        };
        if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
            let chosen = any
                .iter()
                .find(|one| (one.get("type") == Some(&Value::from("null"))) == value.is_null());
            return match chosen {
                Some(chosen) => self.compare(value, chosen, place),
                None => self.problems.push(format!("{place}: nothing allows {value}")),
            };
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            self.problems
                .push(format!("{place}: {value} is none of {allowed:?}"));
        }
        if let Some(types) = schema.get("type") {
            let name = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(number) if number.is_u64() => "integer",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            let fits = types == name || types.as_array().is_some_and(|types| types.contains(&name.into()));
            if !fits {
                self.problems.push(format!("{place}: a {name}, not {types}"));
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for value in values {
                self.compare(value, items, &format!("{place}[]"));
            }
        }
        let Some(fields) = value.as_object() else { return };
        let described = schema.get("properties").and_then(Value::as_object);
        for (name, value) in fields {
            let inner = format!("{place}.{name}");
            if let Some(schema) = described.and_then(|described| described.get(name)) {
                // The description tells a property from others of the same name.
                self.met.insert(format!("{schema}.{name}"));
                self.compare(value, schema, &inner);
            } else if let Some(schema) = schema.get("additionalProperties") {
                self.compare(value, schema, &format!("{place}.*"));
            } else if described.is_some() {
                self.problems.push(format!("{inner} is not described"));
            }
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !fields.contains_key(name.as_str().expect("a name")) {
                self.problems.push(format!("{place}.{name} is missing"));
            }
        }
    }
}

/// Every property that a schema describes anywhere.
fn described(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
                for (name, schema) in properties {
                    found.insert(format!("{schema}.{name}"));
                }
            }
            fields.values().for_each(|schema| described(schema, found));
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| described(schema, found)),
        _ => {}
    }
}

#[test]
fn the_schema_describes_what_is_written_and_nothing_else() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut comparison = Comparison {
        root: &schema,
        problems: Vec::new(),
        met: BTreeSet::new(),
    };
    let mut lying = run(&Sample {
        operations: 3_000,
        lie: true,
        ..Sample::default()
    });
    let verdict = lying.verdict.as_mut().expect("a verdict");
    verdict.mutant = Some(MutantSeen::default());
    verdict.troubles.push("a proxy died".to_owned());
    let orders = verdict
        .findings
        .iter_mut()
        .flat_map(|finding| &mut finding.witnesses);
    let order = orders.flat_map(|witness| &mut witness.orders).next();
    order.expect("a lie has orders").start = Some(7.into());
    for node in [None, Some(Node(1))] {
        verdict.system_failures.push(SystemFailure {
            at: 1,
            node,
            reason: "killed by SIGSEGV".to_owned(),
        });
    }
    if let Some(recovery) = &mut verdict.recovery {
        recovery.nodes.insert(Node(9), None);
    }
    let mut plain = run(&Sample {
        operations: 300,
        ..Sample::default()
    });
    plain.verdict.as_mut().expect("a verdict").recovery = None;
    for evidence in [lying, plain, samples::invariant_broken()] {
        let verdict = serde_json::to_value(evidence.verdict.expect("a verdict")).expect("it is JSON");
        comparison.compare(&verdict, &schema, "verdict");
    }
    assert!(comparison.problems.is_empty(), "{:#?}", comparison.problems);
    let mut all = BTreeSet::new();
    described(&schema, &mut all);
    let unmet: Vec<_> = all.difference(&comparison.met).collect();
    assert!(unmet.is_empty(), "described, but never written: {unmet:#?}");
}

#[test]
fn a_field_that_the_schema_does_not_know_is_noticed() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let evidence = run(&Sample {
        operations: 300,
        ..Sample::default()
    });
    let mut verdict = serde_json::to_value(evidence.verdict.expect("a verdict")).expect("it is JSON");
    verdict["surprise"] = Value::from(1);
    verdict["ran_ns"] = Value::from("long");
    verdict["coverage"]
        .as_object_mut()
        .expect("coverage")
        .remove("missing");
    let mut comparison = Comparison {
        root: &schema,
        problems: Vec::new(),
        met: BTreeSet::new(),
    };
    comparison.compare(&verdict, &schema, "verdict");
    assert_eq!(comparison.problems.len(), 3, "{:#?}", comparison.problems);
}
