//! A reader for EDN (Extensible Data Notation), as much of it as histories use: nil, booleans, numbers, strings,
//! characters, keywords, symbols, lists, vectors, sets, maps, tagged elements, comments and discards.
//!
//! It takes bytes as they come and holds one datum at a time. JSON is read by the same reader: there, colons
//! separate, and `null` is `nil`.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::Arc;

use super::FormatError;

/// A datum.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edn {
    Nil,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer, as it stands.
    Number(Arc<str>),
    Text(Arc<str>),
    /// Without the colon.
    Keyword(Arc<str>),
    Symbol(Arc<str>),
    /// A list or vector.
    Items(Vec<Edn>),
    Set(Vec<Edn>),
    Map(Vec<(Edn, Edn)>),
}

/// What comes next in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// A datum.
    Datum(Edn),
    /// A closing bracket that nothing inside the data opened.
    Close(char),
    /// Nothing.
    End,
}

/// The notation of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Edn,
    Json,
}

/// How deep data may be nested.
const DEEPEST: usize = 200;

/// Reads data one after the other.
pub(super) struct Reader<R> {
    input: R,
    notation: Notation,
    /// A byte that was taken too early.
    ahead: Option<u8>,
    line: u64,
    /// The line of the last byte that is not white space.
    last: u64,
    /// Whether an error came from the end of the text.
    ended: bool,
    token: Vec<u8>,
    /// Keywords and symbols, one copy of each.
    names: BTreeSet<Arc<str>>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: R, notation: Notation) -> Self {
        Reader {
            input,
            notation,
            ahead: None,
            line: 1,
            last: 1,
            ended: false,
            token: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    /// The last line that holds anything, of those that were read.
    pub(super) fn last_line(&self) -> u64 {
        self.last
    }

    /// Whether the error that was given came from the end of the text.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    fn error(&self, problem: impl Into<String>) -> FormatError {
        let mend = match self.notation {
            Notation::Edn => "this must be EDN: balanced brackets, and maps of keyword and value",
            Notation::Json => "this must be JSON: balanced brackets, and objects of name and value",
        };
        FormatError::new(self.line, problem, mend)
    }

    /// The error of a text that ends too early.
    fn short(&mut self, problem: impl Into<String>) -> FormatError {
        self.ended = true;
        FormatError {
            line: self.last,
            ..self.error(problem)
        }
    }

    #[inline]
    fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        if self.ahead.is_some() {
            return Ok(self.ahead);
        }
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FormatError::input(self.line, &error)),
            }
        }
    }

    #[inline]
    fn take(&mut self) -> Result<Option<u8>, FormatError> {
        let Some(next) = self.peek()? else {
            return Ok(None);
        };
        if self.ahead.take().is_none() {
            self.input.consume(1);
        }
        if next == b'\n' {
            self.line += 1;
        } else if !next.is_ascii_whitespace() {
            self.last = self.line;
        }
        Ok(Some(next))
    }

    /// Skips white space, commas, comments and discarded data.
    fn skip(&mut self, depth: usize) -> Result<(), FormatError> {
        while let Some(next) = self.peek()? {
            match next {
                b';' if self.notation == Notation::Edn => {
                    while self.peek()?.is_some_and(|next| next != b'\n') {
                        self.take()?;
                    }
                }
                b'#' if self.notation == Notation::Edn && self.ahead.is_none() => {
                    self.take()?;
                    if self.peek()? != Some(b'_') {
                        self.ahead = Some(b'#');
                        // What stands in `ahead` is taken again, and what follows it is still in the input.
                        return Ok(());
                    }
                    self.take()?;
                    self.due(depth + 1)?;
                }
                b',' => {
                    self.take()?;
                }
                b':' if self.notation == Notation::Json => {
                    self.take()?;
                }
                next if next.is_ascii_whitespace() => {
                    self.take()?;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Enters a list or vector, if one comes next; its items are then read one by one with [`Reader::next`].
    pub(super) fn enter(&mut self) -> Result<bool, FormatError> {
        self.skip(0)?;
        let enters = matches!(self.peek()?, Some(b'[' | b'('));
        if enters {
            self.take()?;
        }
        Ok(enters)
    }

    /// Goes to where the next datum begins, and gives its line.
    pub(super) fn begin(&mut self) -> Result<u64, FormatError> {
        self.skip(0)?;
        Ok(self.line)
    }

    /// The next datum, or what stands in its place. A closing bracket is consumed.
    pub(super) fn next(&mut self) -> Result<Next, FormatError> {
        self.datum(0)
    }

    fn datum(&mut self, depth: usize) -> Result<Next, FormatError> {
        if depth > DEEPEST {
            return Err(self.error(format!("data are nested deeper than {DEEPEST}")));
        }
        self.skip(depth)?;
        let Some(next) = self.peek()? else {
            return Ok(Next::End);
        };
        Ok(Next::Datum(match next {
            b']' | b')' | b'}' => {
                self.take()?;
                return Ok(Next::Close(char::from(next)));
            }
            b'[' => Edn::Items(self.items(b']', depth)?),
            b'(' => Edn::Items(self.items(b')', depth)?),
            b'{' => self.map(depth)?,
            b'"' => self.string()?,
            b'\\' => self.character()?,
            b'#' => return self.dispatch(depth),
            _ => self.atom()?,
        }))
    }

    /// A datum that has to be there.
    fn due(&mut self, depth: usize) -> Result<Edn, FormatError> {
        match self.datum(depth)? {
            Next::Datum(datum) => Ok(datum),
            Next::Close(close) => Err(self.error(format!("{close:?} where a datum was due"))),
            Next::End => Err(self.short("the text ends where a datum was due")),
        }
    }

    fn items(&mut self, close: u8, depth: usize) -> Result<Vec<Edn>, FormatError> {
        self.take()?;
        let mut items = Vec::new();
        while !self.closes(close, depth)? {
            items.push(self.due(depth + 1)?);
        }
        Ok(items)
    }

    /// Whether the closing bracket comes next, which is then consumed.
    fn closes(&mut self, close: u8, depth: usize) -> Result<bool, FormatError> {
        self.skip(depth)?;
        match self.peek()? {
            None => Err(self.short(format!("the text ends before a closing {:?}", char::from(close)))),
            Some(next) if next == close => {
                self.take()?;
                Ok(true)
            }
            Some(next @ (b']' | b')' | b'}')) => {
                let (next, close) = (char::from(next), char::from(close));
                Err(self.error(format!("{next:?} where {close:?} was due")))
            }
            Some(_) => Ok(false),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Edn, FormatError> {
        self.take()?;
        let mut pairs = Vec::new();
        while !self.closes(b'}', depth)? {
            let key = self.due(depth + 1)?;
            if self.closes(b'}', depth)? {
                return Err(self.error("a map has a key without a value"));
            }
            pairs.push((key, self.due(depth + 1)?));
        }
        Ok(Edn::Map(pairs))
    }

    fn string(&mut self) -> Result<Edn, FormatError> {
        self.take()?;
        self.token.clear();
        loop {
            match self.take()? {
                None => return Err(self.short("the text ends inside a string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let Some(escape) = self.take()? else {
                        return Err(self.short("the text ends inside a string"));
                    };
                    match escape {
                        b'n' => self.token.push(b'\n'),
                        b't' => self.token.push(b'\t'),
                        b'r' => self.token.push(b'\r'),
                        b'b' => self.token.push(8),
                        b'f' => self.token.push(12),
                        b'u' => {
                            let letter = self.escaped()?;
                            self.token
                                .extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                        other => self.token.push(other),
                    }
                }
                Some(other) => self.token.push(other),
            }
        }
        Ok(Edn::Text(self.text()?.into()))
    }

    /// The letter of `\u` and four digits; above U+FFFF it takes two such, a surrogate pair.
    fn escaped(&mut self) -> Result<char, FormatError> {
        let first = self.digits()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.peek()? == Some(b'\\') {
            self.take()?;
            if self.take()? != Some(b'u') {
                return Err(self.error(format!("\\u{first:04x} is half a character")));
            }
            let low = self.digits()?.checked_sub(0xdc00).filter(|low| *low < 0x400);
            let low = low.ok_or_else(|| self.error(format!("\\u{first:04x} is half a character")))?;
            0x10000 + ((first - 0xd800) << 10) + low
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.error(format!("\\u{first:04x} is not a character")))
    }

    fn digits(&mut self) -> Result<u32, FormatError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = match self.peek()? {
                None => return Err(self.short("the text ends inside a string")),
                Some(byte) => char::from(byte).to_digit(16),
            };
            let digit = digit.ok_or_else(|| self.error("\\u needs four hexadecimal digits"))?;
            self.take()?;
            code = code << 4 | digit;
        }
        Ok(code)
    }

    fn character(&mut self) -> Result<Edn, FormatError> {
        self.take()?;
        self.token.clear();
        if let Some(first) = self.take()? {
            self.token.push(first);
        }
        self.rest_of_token()?;
        let name = self.text()?;
        Ok(Edn::Text(
            match name {
                "newline" => "\n",
                "space" => " ",
                "tab" => "\t",
                "return" => "\r",
                _ => name,
            }
            .into(),
        ))
    }

    fn dispatch(&mut self, depth: usize) -> Result<Next, FormatError> {
        self.take()?;
        if self.peek()? == Some(b'{') {
            return Ok(Next::Datum(Edn::Set(self.items(b'}', depth)?)));
        }
        // A tag says which type a datum had; the datum is what counts.
        self.token.clear();
        self.rest_of_token()?;
        Ok(Next::Datum(self.due(depth + 1)?))
    }

    /// Adds to the token what belongs to it.
    fn rest_of_token(&mut self) -> Result<(), FormatError> {
        while let Some(next) = self.peek()? {
            if next.is_ascii_whitespace() || b"[](){}\",;".contains(&next) {
                break;
            }
            self.take()?;
            self.token.push(next);
        }
        Ok(())
    }

    fn text(&self) -> Result<&str, FormatError> {
        std::str::from_utf8(&self.token).map_err(|_| FormatError::not_utf8(self.line))
    }

    fn atom(&mut self) -> Result<Edn, FormatError> {
        self.token.clear();
        self.rest_of_token()?;
        if self.token.is_empty() {
            // A byte that ends tokens and begins nothing, such as a semicolon in JSON.
            let stray = self.take()?.map(char::from);
            return Err(self.error(format!("{:?} where a datum was due", stray.unwrap_or(' '))));
        }
        let token = self.text()?;
        let digits = token.strip_suffix('N').unwrap_or(token);
        Ok(match token {
            "nil" => Edn::Nil,
            "null" if self.notation == Notation::Json => Edn::Nil,
            "true" => Edn::Bool(true),
            "false" => Edn::Bool(false),
            _ => {
                if token.starts_with(':') {
                    Edn::Keyword(self.name(1)?)
                } else if let Ok(number) = digits.parse() {
                    Edn::Int(number)
                } else if token
                    .trim_start_matches(['-', '+'])
                    .starts_with(|first: char| first.is_ascii_digit())
                {
                    Edn::Number(token.into())
                } else {
                    Edn::Symbol(self.name(0)?)
                }
            }
        })
    }

    /// The one copy of the name that the token holds from there on.
    fn name(&mut self, from: usize) -> Result<Arc<str>, FormatError> {
        let name = &self.text()?[from..];
        if let Some(known) = self.names.get(name) {
            return Ok(Arc::clone(known));
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Next, FormatError> {
        Reader::new(text.as_bytes(), Notation::Edn).next()
    }

    fn keyword(name: &str) -> Edn {
        Edn::Keyword(name.into())
    }

    #[test]
    fn data_that_histories_hold_are_understood() {
        let int = |values: &[i64]| Edn::Items(values.iter().map(|&value| Edn::Int(value)).collect());
        for (text, expected) in [
            ("nil", Edn::Nil),
            ("-7", Edn::Int(-7)),
            ("12N", Edn::Int(12)),
            ("1.5", Edn::Number("1.5".into())),
            (":f", keyword("f")),
            ("\"a\\n\\\"b\\u0041é\"", Edn::Text("a\n\"bAé".into())),
            ("\\newline", Edn::Text("\n".into())),
            ("\\]", Edn::Text("]".into())),
            ("[1, 2 ; two\n 3]", int(&[1, 2, 3])),
            ("(1 #_ 2 3)", int(&[1, 3])),
            ("#_ #_ 1 2 (3 #_4)", int(&[3])),
            ("#{4}", Edn::Set(vec![Edn::Int(4)])),
            (
                "#jepsen.history.Op{:a 1}",
                Edn::Map(vec![(keyword("a"), Edn::Int(1))]),
            ),
            (
                "{:a [], :b nil}",
                Edn::Map(vec![(keyword("a"), int(&[])), (keyword("b"), Edn::Nil)]),
            ),
        ] {
            assert_eq!(read(text), Ok(Next::Datum(expected)), "{text}");
        }
    }

    #[test]
    fn json_is_read_by_the_same_reader() {
        let text = r#"{"f":"r","value":[["w","x",null],true,-1e3],"e":"\/\ud83e\udd80\u00e9"}"#;
        let texts = |texts: &str| Edn::Text(texts.into());
        let write = Edn::Items(vec![texts("w"), texts("x"), Edn::Nil]);
        let value = Edn::Items(vec![write, Edn::Bool(true), Edn::Number("-1e3".into())]);
        assert_eq!(
            Reader::new(text.as_bytes(), Notation::Json).next(),
            Ok(Next::Datum(Edn::Map(vec![
                (texts("f"), texts("r")),
                (texts("value"), value),
                (texts("e"), texts("/🦀é")),
            ])))
        );
        for text in ["{\"a\":1;}", "[\"\\ud83e\"]", "[\"\\uzzzz\"]", "[\"\\u12"] {
            assert!(
                Reader::new(text.as_bytes(), Notation::Json).next().is_err(),
                "{text}"
            );
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
            ("[1\n #_]", 2),
        ] {
            assert_eq!(read(text).map_err(|error| error.line), Err(line), "{text}");
        }
        assert!(read(&"[".repeat(10_000)).is_err());
        assert!(read(&"#_".repeat(10_000)).is_err());
        assert!(Reader::new(&b"\"\xff\""[..], Notation::Edn).next().is_err());
    }
}
