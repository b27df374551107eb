//! Checksums of the text files that are read back: a CRC-32 of everything before it, so that a damaged line is noticed.

/// How an object of JSON is laid out around its last entry, which is the checksum.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    end: &'static str,
    before: &'static str,
    after: &'static str,
}

/// An object on one line.
pub const LINE: Object = Object { end: "}", before: ",\"crc32\":\"", after: "\"}" };
/// An object with an entry a line.
pub const PAGE: Object = Object { end: "\n}", before: ",\n  \"crc32\": \"", after: "\"\n}" };

/// Why a text was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsound {
    /// There is no checksum.
    #[error(
        "has no checksum: it is damaged, or was written by a version that gave it none; take an older copy, or make the run again in another folder"
    )]
    Absent,
    /// It does not fit the text.
    #[error("is damaged: its checksum does not fit it; take an older copy, or make the run again in another folder")]
    Wrong,
}

impl Object {
    /// An object with its checksum as its last entry.
    ///
    /// ```
    /// use ambient_studies::files::checksum::LINE;
    ///
    /// let sealed = LINE.seal("{\"a\":1}");
    /// assert_eq!(sealed, "{\"a\":1,\"crc32\":\"a702fc6e\"}");
    /// assert_eq!(LINE.open(&sealed), Ok("{\"a\":1}".to_owned()));
    /// ```
    #[must_use]
    pub fn seal(self, object: &str) -> String {
        let body = object.strip_suffix(self.end).unwrap_or(object);
        format!("{body}{}", self.entry(body))
    }

    /// The object before it was [sealed](Self::seal).
    ///
    /// # Errors
    ///
    /// [`Unsound`].
    pub fn open(self, object: &str) -> Result<String, Unsound> {
        let (before, after) = (self.before.len(), self.after.len());
        let split = object.len().checked_sub(before + DIGITS + after).and_then(|place| object.split_at_checked(place));
        let (body, entry) = split.ok_or(Unsound::Absent)?;
        // The whole entry, so that no byte of the text is left out.
        if entry == self.entry(body) {
            Ok(format!("{body}{}", self.end))
        } else if entry.starts_with(self.before) {
            Err(Unsound::Wrong)
        } else {
            Err(Unsound::Absent)
        }
    }

    fn entry(self, body: &str) -> String {
        format!("{}{}{}", self.before, digits(body), self.after)
    }
}

/// A line of numbers with commas between them, with its checksum as the last one.
#[must_use]
pub fn seal_row(row: &str) -> String {
    format!("{row},{}", digits(row))
}

/// The line before a checksum that is right.
///
/// # Errors
///
/// [`Unsound::Wrong`].
pub fn check_row(line: &str) -> Result<&str, Unsound> {
    match line.rsplit_once(',') {
        Some((row, found)) if found == digits(row) => Ok(row),
        _ => Err(Unsound::Wrong),
    }
}

const DIGITS: usize = 8;

fn digits(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}
