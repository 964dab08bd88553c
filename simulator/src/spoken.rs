//! What `Debug` writes of a protocol's steps and messages, in words.

/// A value as `Debug` writes it.
#[derive(Clone, Debug, PartialEq)]
enum Value<'t> {
    /// A number, a string, the name of something without fields.
    Plain(&'t str),
    /// `Name { field: value }`.
    Fields(&'t str, Vec<(&'t str, Value<'t>)>),
    /// `Name(value, value)`; without a name, a tuple.
    Items(&'t str, Vec<Value<'t>>),
    /// `[value, value]`, or `{value, value}`; a map's entries are tuples.
    Several(char, Vec<Value<'t>>),
}

/// A step's name and fields, as `Debug` writes them, in words: `BecameLeader { term: 2 }` is `became leader (term 2)`.
/// What `Debug` did not write is left as it is.
pub fn spoken(step: &str) -> String {
    let Some(value) = parsed(step) else {
        return step.to_owned();
    };
    let (name, told) = match &value {
        Value::Plain(name) => (*name, String::new()),
        Value::Fields(name, fields) => (*name, listed(fields)),
        Value::Items(name, items) => match items.as_slice() {
            [Value::Fields(_, fields)] => (*name, listed(fields)),
            items => (*name, joined(items, ", ")),
        },
        Value::Several(..) => return words(&value),
    };
    if told.is_empty() {
        lowered(name)
    } else {
        format!("{} ({told})", lowered(name))
    }
}

/// What a step names, by the names of its fields, each value in words; what lies within a field counts as the step's own.
/// `Applied { at: Position { index: 7, term: 2 } }` names `index 7` and `term 2`.
pub fn named(step: &str) -> Vec<(String, String)> {
    let mut told = Vec::new();
    if let Some(value) = parsed(step) {
        name("", &value, &mut told);
    }
    told
}

fn name(field: &str, value: &Value<'_>, told: &mut Vec<(String, String)>) {
    match value {
        Value::Fields(..) if compact(value).is_some() => told.push((field.to_owned(), words(value))),
        Value::Fields(_, fields) => fields.iter().for_each(|(field, value)| name(field, value, told)),
        Value::Items("Some" | "", items) => items.iter().for_each(|item| name(field, item, told)),
        Value::Items(..) | Value::Plain(_) if !field.is_empty() => {
            told.push((field.to_owned(), words(value)))
        }
        Value::Items(_, items) | Value::Several(_, items) => {
            items.iter().for_each(|item| name(field, item, told));
        }
        Value::Plain(_) => {}
    }
}

fn words(value: &Value<'_>) -> String {
    if let Some(told) = compact(value) {
        return told;
    }
    match value {
        Value::Plain(text) => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(inner) if !inner.is_empty() && inner.chars().all(|c| c.is_alphanumeric() || c == '-') => {
                inner.to_owned()
            }
            None if text.starts_with(char::is_uppercase) => lowered(text),
            _ => (*text).to_owned(),
        },
        Value::Fields(name, fields) => format!("{} ({})", lowered(name), listed(fields)),
        Value::Items("Some" | "RequestId" | "Lsn", items) => joined(items, " "),
        Value::Items("NodeId", items) => format!("n{}", joined(items, " ")),
        Value::Items("", items) => joined(items, " "),
        Value::Items(name, items) => format!("{} {}", lowered(name), joined(items, " ")),
        Value::Several(_, items) if items.is_empty() => "none".to_owned(),
        Value::Several('[', items) => format!("[{}]", joined(items, ", ")),
        Value::Several(_, items) => format!("{{{}}}", joined(items, ", ")),
    }
}

/// Numbers that are written as one: `Zxid { epoch: 2, counter: 7 }` is `2.7`, `Tag { counter: 3, node: n2, … }` is `3.n2`.
fn compact(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Fields("Zxid" | "Ballot" | "Tag", fields) => {
            let parts: Vec<String> = fields.iter().take(2).map(|(_, value)| words(value)).collect();
            Some(parts.join("."))
        }
        _ => None,
    }
}

fn joined(items: &[Value<'_>], between: &str) -> String {
    items.iter().map(words).collect::<Vec<_>>().join(between)
}

/// `term 2, candidate n1`. A value whose type is called as its field is not named twice.
fn listed(fields: &[(&str, Value<'_>)]) -> String {
    let told = fields.iter().map(|(field, value)| {
        let field = field.replace('_', " ");
        match value {
            Value::Fields(name, inner) if compact(value).is_none() && lowered(name) == field => {
                format!("{field} ({})", listed(inner))
            }
            _ => format!("{field} {}", words(value)),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// `BecameLeader` is `became leader`.
fn lowered(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn parsed(text: &str) -> Option<Value<'_>> {
    let mut reader = Reader { rest: text };
    let value = reader.value()?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn skip(&mut self, prefix: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(prefix)?;
        Some(())
    }

    /// So many bytes from here.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn value(&mut self) -> Option<Value<'t>> {
        match self.rest.chars().next()? {
            '"' => self.string(),
            open @ ('[' | '{') => {
                self.skip(if open == '[' { "[" } else { "{" })?;
                self.items(if open == '[' { "]" } else { "}" })
                    .map(|items| Value::Several(open, items))
            }
            '(' => {
                self.skip("(")?;
                self.items(")").map(|items| Value::Items("", items))
            }
            _ => self.named(),
        }
    }

    fn string(&mut self) -> Option<Value<'t>> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        end.map(|(at, _)| Value::Plain(self.take(at + 1)))
    }

    fn word(&mut self) -> Option<&'t str> {
        let end = self.rest.find([' ', ',', ':', '(', ')', '[', ']', '{', '}', '"']);
        let word = self.take(end.unwrap_or(self.rest.len()));
        (!word.is_empty()).then_some(word)
    }

    fn named(&mut self) -> Option<Value<'t>> {
        let name = self.word()?;
        if self.skip("(").is_some() {
            return Some(Value::Items(name, self.items(")")?));
        }
        if self.skip(" { ").is_none() {
            return Some(Value::Plain(name));
        }
        let mut fields = Vec::new();
        loop {
            let field = self.word()?;
            self.skip(": ")?;
            fields.push((field, self.value()?));
            if self.skip(" }").is_some() {
                return Some(Value::Fields(name, fields));
            }
            self.skip(", ")?;
        }
    }

    fn items(&mut self, end: &str) -> Option<Vec<Value<'t>>> {
        let mut items = Vec::new();
        while self.skip(end).is_none() {
            if !items.is_empty() {
                self.skip(", ")?;
            }
            let item = self.value()?;
            items.push(match self.skip(": ") {
                Some(()) => Value::Items("", vec![item, self.value()?]),
                None => item,
            });
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_spoken_as_words() {
        for (step, words) in [
            ("BecameLeader { term: 2 }", "became leader (term 2)"),
            (
                "Voted { term: 3, candidate: NodeId(1) }",
                "voted (term 3, candidate n1)",
            ),
            ("Amnesiac", "amnesiac"),
            ("an error: { not Debug", "an error: { not Debug"),
        ] {
            assert_eq!(spoken(step), words);
        }
    }

    #[test]
    fn what_lies_within_a_step_is_spoken_without_the_syntax_of_a_program() {
        for (step, words) in [
            (
                "Discovered { epoch: 1, last: Zxid { epoch: 0, counter: 0 } }",
                "discovered (epoch 1, last 0.0)",
            ),
            (
                "Elected { vote: Vote { leader: NodeId(5), zxid: Zxid { epoch: 4, counter: 2 } }, voters: {NodeId(3), NodeId(4)} }",
                "elected (vote (leader n5, zxid 4.2), voters {n3, n4})",
            ),
            (
                "Done { id: RequestId(2), key: \"k0\", kind: Write, answers: [(NodeId(5), Some(Tag { counter: 1, node: NodeId(4), \
                 life: 36 })), (NodeId(4), None)], stored: [] }",
                "done (id 2, key k0, kind write, answers [n5 1.n4, n4 none], stored none)",
            ),
            (
                "Applied { at: Position { index: 7, term: 2 }, effect: Some(Session { client: 1, number: 2 }) }",
                "applied (at position (index 7, term 2), effect session (client 1, number 2))",
            ),
            (
                "Append(Append { term: 2, from_log: {1: \"a b\"} })",
                "append (term 2, from log {1 \"a b\"})",
            ),
            (
                "Halted { reason: \"a \\\" { quote\" }",
                "halted (reason \"a \\\" { quote\")",
            ),
        ] {
            assert_eq!(spoken(step), words);
        }
    }

    #[test]
    fn a_step_names_what_lies_within_its_fields() {
        let told = named("Applied { at: Position { index: 7, term: 2 }, by: Some(NodeId(3)) }");
        let told: Vec<(&str, &str)> = told.iter().map(|(field, value)| (&**field, &**value)).collect();
        assert_eq!(told, [("index", "7"), ("term", "2"), ("by", "n3")]);
    }
}
