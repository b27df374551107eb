//! The grammar in which rules are written: names, with numbers and parts in brackets behind them.

use core::fmt;
use core::ops::Range;

use crate::any::table::{About, Constant, Kind};
use crate::named::nearest;

/// What is wrong with a text, and where.
///
/// # Example
///
/// ```
/// use ambient_metric::any::AnyRule;
///
/// let error = "induced(rmsprop, lgo, xi=0.1)".parse::<AnyRule>().unwrap_err();
/// assert_eq!(error.at, 17..20);
/// assert!(error.to_string().starts_with("`lgo` is no embedding or ambient metric: the nearest known one is `log`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The whole text.
    pub text: String,
    /// The bytes that are wrong.
    pub at: Range<usize>,
    /// What is wrong with them, and what would be right.
    pub problem: String,
}

impl fmt::Display for TextError {
    /// The problem, and the text with the place marked under it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.at.start).unwrap_or(&self.text);
        let there = self.text.get(self.at.clone()).unwrap_or_default();
        // One line, whatever the text has.
        let shown: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (indent, width) = (before.chars().count(), there.chars().count().max(1));
        write!(formatter, "{}\n  {shown}\n  {:indent$}{}", self.problem, "", "^".repeat(width))
    }
}

impl core::error::Error for TextError {}

/// A name and what stands in brackets behind it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) at: Range<usize>,
    arguments: Vec<Argument>,
}

#[derive(Debug)]
struct Argument {
    name: Option<(String, Range<usize>)>,
    value: Value,
    at: Range<usize>,
}

#[derive(Debug)]
enum Value {
    Number(f64),
    List(Vec<Argument>),
    Part(Call),
}

/// What a rule's text consists of: a step, and what is added behind it.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) step: Call,
    pub(crate) behind: Vec<Call>,
}

/// How deep brackets may stand in brackets. No rule needs more than three.
const DEPTH: usize = 8;

/// The longest text that is read.
const LONGEST: usize = 16_384;

struct Reader<'t> {
    text: &'t str,
    place: usize,
}

/// Reads a rule's text.
pub(crate) fn sum(text: &str) -> Result<Sum, TextError> {
    let mut reader = Reader::new(text)?;
    let step = reader.call(0)?;
    let mut behind = Vec::new();
    while reader.takes('+') {
        behind.push(reader.call(0)?);
    }
    reader.end()?;
    Ok(Sum { step, behind })
}

/// Reads the text of one part.
pub(crate) fn part(text: &str) -> Result<Call, TextError> {
    let mut reader = Reader::new(text)?;
    let call = reader.call(0)?;
    reader.end()?;
    Ok(call)
}

/// An error at a place in a text.
pub(crate) fn error(text: &str, at: Range<usize>, problem: impl Into<String>) -> TextError {
    TextError { text: text.to_owned(), at, problem: problem.into() }
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Result<Self, TextError> {
        if text.len() > LONGEST {
            let start: String = text.chars().take(60).collect();
            let at = start.len()..start.len();
            return Err(error(&start, at, format!("the text goes on for more than {LONGEST} bytes")));
        }
        Ok(Self { text, place: 0 })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.place += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes this sign, if it is next.
    fn takes(&mut self, sign: char) -> bool {
        self.space();
        let is_next = self.rest().starts_with(sign);
        self.place += if is_next { sign.len_utf8() } else { 0 };
        is_next
    }

    /// Takes what belongs together by this, if there is such.
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> (&'t str, Range<usize>) {
        self.space();
        let (start, rest) = (self.place, self.rest());
        let word = rest.get(..rest.find(|c| !belongs(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.place += word.len();
        (word, start..self.place)
    }

    /// An error about what is next.
    fn wrong<T>(&self, expected: &str) -> Result<T, TextError> {
        let next = self.rest().chars().next();
        let found = next.map_or("the end".to_owned(), |c| format!("`{c}`"));
        let end = self.place + next.map_or(0, char::len_utf8);
        Err(error(self.text, self.place..end, format!("{found} stands where {expected} is needed")))
    }

    fn end(&mut self) -> Result<(), TextError> {
        self.space();
        if self.rest().is_empty() { Ok(()) } else { self.wrong("the end, or `+` and what stands behind a rule,") }
    }

    fn call(&mut self, depth: usize) -> Result<Call, TextError> {
        let (name, at) = self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if name.is_empty() {
            return self.wrong("a name");
        }
        if depth > DEPTH {
            return Err(error(self.text, at, format!("brackets stand more than {DEPTH} deep in brackets")));
        }
        let mut arguments = Vec::new();
        if self.takes('(') && !self.takes(')') {
            arguments = self.list(')', depth + 1)?;
        }
        Ok(Call { name: name.to_ascii_lowercase().replace('-', "_"), at, arguments })
    }

    fn list(&mut self, close: char, depth: usize) -> Result<Vec<Argument>, TextError> {
        let mut list = Vec::new();
        loop {
            list.push(self.argument(depth)?);
            if self.takes(close) {
                return Ok(list);
            }
            if !self.takes(',') {
                return self.wrong(&format!("`,` or `{close}`"));
            }
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, TextError> {
        self.space();
        let start = self.place;
        let starts_name = self.rest().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let mut name = None;
        let value = if starts_name {
            let call = self.call(depth)?;
            if call.arguments.is_empty() && self.takes('=') {
                name = Some((call.name, call.at));
                self.value(depth)?
            } else {
                Value::Part(call)
            }
        } else {
            self.value(depth)?
        };
        Ok(Argument { name, value, at: start..self.place })
    }

    fn value(&mut self, depth: usize) -> Result<Value, TextError> {
        self.space();
        if self.takes('[') {
            if depth > DEPTH {
                return self.wrong("a number, and not brackets so deep in brackets,");
            }
            return Ok(Value::List(self.list(']', depth + 1)?));
        }
        if self.rest().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Ok(Value::Part(self.call(depth)?));
        }
        let is_number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        // A sign inside belongs to an exponent alone, so that `0.1+ema` is not one number.
        let rest = self.rest();
        let ends = |(index, c): (usize, char)| {
            let after_e = rest.get(..index).is_some_and(|before| before.ends_with(['e', 'E']));
            !is_number(c) || matches!(c, '+' | '-') && index > 0 && !after_e
        };
        let length = rest.char_indices().find(|&next| ends(next)).map_or(rest.len(), |(index, _)| index);
        let (word, at) = (rest.get(..length).unwrap_or_default(), self.place..self.place + length);
        if word.is_empty() {
            return self.wrong("a number or a name");
        }
        self.place += length;
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(number)),
            _ => Err(error(self.text, at, format!("`{word}` is no finite number"))),
        }
    }
}

/// What stands in the brackets of a call, sorted: the numbers by the constants of the table, and the parts and options in order.
#[derive(Debug)]
pub(crate) struct Given<'c> {
    pub(crate) text: &'c str,
    /// For each constant its numbers, a list where that was written, and where they stand. The default where nothing is written.
    numbers: Vec<(Vec<f64>, Range<usize>)>,
    /// Parts and options.
    pub(crate) parts: Vec<&'c Call>,
    /// Rows of numbers.
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) at: Range<usize>,
    about: &'static About,
}

impl<'c> Given<'c> {
    /// Sorts what a call is given.
    pub(crate) fn new(text: &'c str, call: &'c Call, about: &'static About) -> Result<Self, TextError> {
        let constants = about.constants;
        let mut numbers: Vec<Option<(Vec<f64>, Range<usize>)>> = vec![None; constants.len()];
        let (mut parts, mut rows, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
        for argument in &call.arguments {
            match (&argument.name, &argument.value) {
                (None, Value::Part(part)) => parts.push(part),
                (None, Value::List(list)) if constants.is_empty() => rows.push(row(text, list)?),
                (None, value) => unnamed.push((plain(text, value, &argument.at)?, argument.at.clone())),
                (Some((name, at)), value) => {
                    let Some(index) = constants.iter().position(|constant| constant.name == *name) else {
                        return Err(error(text, at.clone(), no_constant(about, name)));
                    };
                    if numbers[index].is_some() {
                        return Err(error(text, at.clone(), format!("`{name}` is given twice")));
                    }
                    numbers[index] = Some((plain(text, value, &argument.at)?, argument.at.clone()));
                }
            }
        }
        let mut free = numbers.iter_mut().filter(|number| number.is_none());
        for number in unnamed {
            let Some(slot) = free.next() else {
                let problem = match constants {
                    [] => format!("`{}` has no constants", about.name),
                    _ => format!("`{}` has no more constants than {}", about.name, names(constants)),
                };
                return Err(error(text, number.1, problem));
            };
            *slot = Some(number);
        }
        let numbers = numbers.into_iter().zip(constants).map(|(number, constant)| match number {
            Some((numbers, at)) => {
                for &number in &numbers {
                    if !constant.range.contains(number) {
                        let problem =
                            format!("{} = {number} is out of range: it lies in {}", constant.name, constant.range);
                        return Err(error(text, at, problem));
                    }
                }
                Ok((numbers, at))
            }
            None => Ok((vec![constant.default], call.at.clone())),
        });
        Ok(Self { text, numbers: numbers.collect::<Result<_, _>>()?, parts, rows, at: call.at.clone(), about })
    }

    /// The numbers of a constant, one for each of `count`: one that is written once is that of all.
    pub(crate) fn each(&self, index: usize, count: usize) -> Result<Vec<f64>, TextError> {
        let Some((numbers, at)) = self.numbers.get(index) else { return Ok(Vec::new()) };
        match numbers.as_slice() {
            [number] => Ok(vec![*number; count]),
            numbers if numbers.len() == count => Ok(numbers.to_vec()),
            numbers => {
                let problem = match count {
                    1 => format!("there are {} numbers where one is needed", numbers.len()),
                    _ => format!("there are {} numbers for {count} losses", numbers.len()),
                };
                Err(error(self.text, at.clone(), problem))
            }
        }
    }

    /// All constants, one number each.
    pub(crate) fn constants(&self) -> Result<Vec<f64>, TextError> {
        (0..self.numbers.len()).map(|index| Ok(self.each(index, 1)?.first().copied().unwrap_or_default())).collect()
    }

    /// A constant that is a whole number.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the table's range has been checked, and whole it is"
    )]
    pub(crate) fn whole(&self, index: usize, number: f64) -> Result<u64, TextError> {
        if number.fract() == 0.0 { Ok(number as u64) } else { Err(self.wrong(index, "it has to be a whole number")) }
    }

    /// An error about a constant.
    pub(crate) fn wrong(&self, index: usize, problem: &str) -> TextError {
        let at = self.numbers.get(index).map_or(self.at.clone(), |(_, at)| at.clone());
        let name = self.about.constants.get(index).map_or("", |constant| constant.name);
        error(self.text, at, format!("`{name}` is out of range: {problem}"))
    }

    /// Takes an option, if it was given.
    pub(crate) fn option(&mut self, name: &str) -> bool {
        let before = self.parts.len();
        self.parts.retain(|part| part.name != name || !part.arguments.is_empty());
        self.parts.len() < before
    }

    /// Refuses parts that were not taken.
    pub(crate) fn end(&self, expected: &[Kind]) -> Result<(), TextError> {
        let Some(part) = self.parts.first() else { return Ok(()) };
        let mut known: Vec<&str> = crate::any::table::of(expected).map(|about| about.name).collect();
        known.extend(self.about.options);
        let problem = if known.is_empty() {
            format!("`{}` has no parts and no options", self.about.name)
        } else if known.contains(&part.name.as_str()) {
            format!("there is no place for `{}` in `{}`", part.name, self.about.name)
        } else {
            unknown(&part.name, &format!("part or option of `{}`", self.about.name), &known)
        };
        Err(error(self.text, part.at.clone(), problem))
    }
}

/// One number, or a list of numbers.
fn plain(text: &str, value: &Value, at: &Range<usize>) -> Result<Vec<f64>, TextError> {
    match value {
        Value::Number(number) => Ok(vec![*number]),
        Value::List(list) => row(text, list),
        Value::Part(part) => Err(error(text, at.clone(), format!("`{}` stands where a number is needed", part.name))),
    }
}

fn row(text: &str, list: &[Argument]) -> Result<Vec<f64>, TextError> {
    let number = |argument: &Argument| match (&argument.name, &argument.value) {
        (None, Value::Number(number)) => Ok(*number),
        _ => Err(error(text, argument.at.clone(), "a list has numbers alone")),
    };
    list.iter().map(number).collect()
}

fn names(constants: &[Constant]) -> String {
    constants.iter().map(|constant| format!("`{}`", constant.name)).collect::<Vec<_>>().join(", ")
}

fn no_constant(about: &About, name: &str) -> String {
    let known: Vec<&str> = about.constants.iter().map(|constant| constant.name).collect();
    match known.as_slice() {
        [] => format!("`{}` has no constants", about.name),
        known => unknown(name, &format!("constant of `{}`", about.name), known),
    }
}

/// What is said of a name that is not known: the nearest, and all.
pub(crate) fn unknown(name: &str, what: &str, known: &[&str]) -> String {
    let nearest = nearest(name, known);
    let all: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    format!("`{name}` is no {what}: the nearest known one is `{nearest}`, of {}", all.join(", "))
}
