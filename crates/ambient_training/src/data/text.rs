//! Text as numbers: every character that occurs, in the order of their codes.

use std::collections::BTreeSet;
use std::path::Path;

use ambient_studies::error::Error;

use super::{malformed, read};

/// A text and its characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The characters that occur.
    pub alphabet: Vec<char>,
    /// The place of every character of the text in the alphabet.
    pub tokens: Vec<u8>,
}

/// The text `input.txt` in a folder.
///
/// # Errors
///
/// [`Error::Read`], and [`Error::Record`] for a file that is not UTF-8, has more than 256 different characters, or is shorter than `least` characters.
pub fn load(folder: &Path, least: usize) -> Result<Text, Error> {
    let path = folder.join("input.txt");
    let text = String::from_utf8(read(&path)?).map_err(|error| malformed(&path, format!("is no text: {error}")))?;
    let alphabet: Vec<char> = text.chars().collect::<BTreeSet<char>>().into_iter().collect();
    if alphabet.len() > 256 {
        return Err(malformed(&path, format!("has {} different characters where 256 are the most", alphabet.len())));
    }
    let place = |character: char| alphabet.binary_search(&character).ok().and_then(|place| u8::try_from(place).ok());
    let tokens: Vec<u8> = text.chars().filter_map(place).collect();
    if tokens.len() < least {
        return Err(malformed(&path, format!("has {} characters where {least} are needed", tokens.len())));
    }
    Ok(Text { alphabet, tokens })
}
