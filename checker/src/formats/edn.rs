//! A reader for EDN (Extensible Data Notation), as much of it as histories use: nil, booleans, numbers, strings,
//! characters, keywords, symbols, lists, vectors, sets, maps, tagged elements, comments and discards.

use super::FormatError;

/// A datum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Edn {
    Nil,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer, as it stands.
    Number(String),
    Text(String),
    /// Without the colon.
    Keyword(String),
    Symbol(String),
    /// A list, vector or set.
    Items(Vec<Edn>),
    Map(Vec<(Edn, Edn)>),
}

/// What comes next in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// A datum.
    Datum(Edn),
    /// A closing bracket that nothing inside the data opened.
    Close(char),
    /// Nothing.
    End,
}

/// How deep data may be nested.
const DEEPEST: usize = 200;

/// Reads data one after the other.
pub(crate) struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Reader { text, at: 0, line: 1 }
    }

    /// The line at which the reader stands, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    fn error(&self, problem: impl Into<String>) -> FormatError {
        FormatError::new(
            self.line,
            problem,
            "this must be EDN: balanced brackets, and maps of keyword and value",
        )
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        self.line += u64::from(next == '\n');
        Some(next)
    }

    /// Skips white space, commas and comments.
    fn skip(&mut self) {
        while let Some(next) = self.peek() {
            if next == ';' {
                while self.peek().is_some_and(|next| next != '\n') {
                    self.take();
                }
            } else if next.is_whitespace() || next == ',' {
                self.take();
            } else {
                return;
            }
        }
    }

    /// Enters a list or vector, if one comes next; its items are then read one by one with [`Reader::next`].
    pub(crate) fn enter(&mut self) -> bool {
        self.skip();
        let enters = matches!(self.peek(), Some('[' | '('));
        if enters {
            self.take();
        }
        enters
    }

    /// The next datum, or what stands in its place. A closing bracket is consumed.
    pub(crate) fn next(&mut self) -> Result<Next, FormatError> {
        self.datum(0)
    }

    fn datum(&mut self, depth: usize) -> Result<Next, FormatError> {
        if depth > DEEPEST {
            return Err(self.error(format!("data are nested deeper than {DEEPEST}")));
        }
        self.skip();
        let Some(next) = self.peek() else {
            return Ok(Next::End);
        };
        Ok(Next::Datum(match next {
            ']' | ')' | '}' => {
                self.take();
                return Ok(Next::Close(next));
            }
            '[' => self.items(']', depth)?,
            '(' => self.items(')', depth)?,
            '{' => self.map(depth)?,
            '"' => self.string()?,
            '\\' => self.character(),
            '#' => return self.dispatch(depth),
            _ => self.atom(),
        }))
    }

    /// A datum that has to be there.
    fn due(&mut self, depth: usize) -> Result<Edn, FormatError> {
        match self.datum(depth)? {
            Next::Datum(datum) => Ok(datum),
            Next::Close(close) => Err(self.error(format!("{close:?} where a datum was due"))),
            Next::End => Err(self.error("the text ends where a datum was due")),
        }
    }

    fn items(&mut self, close: char, depth: usize) -> Result<Edn, FormatError> {
        self.take();
        let mut items = Vec::new();
        while !self.closes(close, depth)? {
            items.push(self.due(depth + 1)?);
        }
        Ok(Edn::Items(items))
    }

    /// Whether the closing bracket comes next, which is then consumed.
    fn closes(&mut self, close: char, depth: usize) -> Result<bool, FormatError> {
        loop {
            self.skip();
            match self.peek() {
                None => return Err(self.error(format!("the text ends before a closing {close:?}"))),
                Some(next) if next == close => {
                    self.take();
                    return Ok(true);
                }
                Some(next @ (']' | ')' | '}')) => {
                    return Err(self.error(format!("{next:?} where {close:?} was due")));
                }
                Some('#') if self.text[self.at..].starts_with("#_") => {
                    self.at += 2;
                    self.due(depth + 1)?;
                }
                Some(_) => return Ok(false),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Edn, FormatError> {
        self.take();
        let mut pairs = Vec::new();
        while !self.closes('}', depth)? {
            let key = self.due(depth + 1)?;
            if self.closes('}', depth)? {
                return Err(self.error("a map has a key without a value"));
            }
            pairs.push((key, self.due(depth + 1)?));
        }
        Ok(Edn::Map(pairs))
    }

    fn string(&mut self) -> Result<Edn, FormatError> {
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(self.error("the text ends inside a string")),
                Some('"') => return Ok(Edn::Text(text)),
                Some('\\') => match self.take() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some('u') => {
                        let digits: String = (0..4).filter_map(|_| self.take()).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(code.ok_or_else(|| self.error(format!("\\u{digits} is not a character")))?);
                    }
                    Some(other) => text.push(other),
                    None => return Err(self.error("the text ends inside a string")),
                },
                Some(other) => text.push(other),
            }
        }
    }

    fn character(&mut self) -> Edn {
        self.take();
        let mut name: String = self.take().into_iter().collect();
        name.push_str(self.token());
        Edn::Text(match name.as_str() {
            "newline" => "\n".to_owned(),
            "space" => " ".to_owned(),
            "tab" => "\t".to_owned(),
            "return" => "\r".to_owned(),
            _ => name,
        })
    }

    fn dispatch(&mut self, depth: usize) -> Result<Next, FormatError> {
        self.take();
        match self.peek() {
            Some('{') => Ok(Next::Datum(self.items('}', depth)?)),
            Some('_') => {
                self.take();
                self.due(depth + 1)?;
                self.datum(depth + 1)
            }
            // A tag says which type a datum had; the datum is what counts.
            _ => {
                self.token();
                self.datum(depth + 1)
            }
        }
    }

    fn token(&mut self) -> &'t str {
        let text = self.text;
        let rest = &text[self.at..];
        let ends = |next: char| next.is_whitespace() || "[](){}\",;".contains(next);
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn atom(&mut self) -> Edn {
        let token = self.token();
        match token {
            "nil" => Edn::Nil,
            "true" => Edn::Bool(true),
            "false" => Edn::Bool(false),
            _ => {
                let digits = token.strip_suffix('N').unwrap_or(token);
                if let Some(name) = token.strip_prefix(':') {
                    Edn::Keyword(name.to_owned())
                } else if let Ok(number) = digits.parse() {
                    Edn::Int(number)
                } else if token
                    .trim_start_matches(['-', '+'])
                    .starts_with(|first: char| first.is_ascii_digit())
                {
                    Edn::Number(token.to_owned())
                } else {
                    Edn::Symbol(token.to_owned())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Next, FormatError> {
        Reader::new(text).next()
    }

    #[test]
    fn data_that_histories_hold_are_understood() {
        let int = |values: &[i64]| Edn::Items(values.iter().map(|&value| Edn::Int(value)).collect());
        for (text, expected) in [
            ("nil", Edn::Nil),
            ("-7", Edn::Int(-7)),
            ("12N", Edn::Int(12)),
            ("1.5", Edn::Number("1.5".to_owned())),
            (":f", Edn::Keyword("f".to_owned())),
            ("\"a\\n\\\"b\\u0041\"", Edn::Text("a\n\"bA".to_owned())),
            ("[1, 2 ; two\n 3]", int(&[1, 2, 3])),
            ("(1 #_ 2 3)", int(&[1, 3])),
            ("#{4}", int(&[4])),
            (
                "#jepsen.history.Op{:a 1}",
                Edn::Map(vec![(Edn::Keyword("a".to_owned()), Edn::Int(1))]),
            ),
            (
                "{:a [], :b nil}",
                Edn::Map(vec![
                    (Edn::Keyword("a".to_owned()), int(&[])),
                    (Edn::Keyword("b".to_owned()), Edn::Nil),
                ]),
            ),
        ] {
            assert_eq!(read(text), Ok(Next::Datum(expected)), "{text}");
        }
    }

    #[test]
    fn malformed_data_are_errors_with_their_line() {
        for (text, line) in [
            ("[1\n2", 2),
            ("{:a}", 1),
            ("\n\"x", 2),
            ("[1 }", 1),
            ("{:a 1 :b}", 1),
        ] {
            assert_eq!(read(text).map_err(|error| error.line), Err(line), "{text}");
        }
        assert!(read(&"[".repeat(10_000)).is_err());
    }
}
