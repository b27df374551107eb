//! A checksum at the end of bytes that go to a file, so that a damaged file is noticed when it is read back.
//!
//! It is a CRC-32, which notices every damage within 32 neighbouring bits (so every flipped bit), every two flipped bits less than 512 MiB apart, and of any other damage
//! all but one in four billion. Records of optimisers have it; a program that keeps more beside them in a file can give the file one too.
//!
//! # Example
//!
//! ```
//! use ambient_metric_burn::checksum::{self, ChecksumError};
//!
//! let mut file = b"whatever there is to keep".to_vec();
//! checksum::append(&mut file);
//! assert_eq!(checksum::verify(&file)?, b"whatever there is to keep");
//! file[3] ^= 1;
//! assert!(matches!(checksum::verify(&file), Err(ChecksumError::Wrong { .. })));
//! # Ok::<(), ChecksumError>(())
//! ```

/// What stands before the checksum, to tell bytes that have one from those that have none.
const MARK: &[u8; 8] = b"\nCRC-32 ";

/// How many bytes a checksum adds.
pub const LENGTH: usize = MARK.len() + size_of::<u32>();

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChecksumError {
    /// There is none.
    #[error(
        "has no checksum at its end: it was cut short, or written by a version that gave it none; take an older copy, or begin anew"
    )]
    Absent,
    /// It does not fit what stands before it.
    #[error("is damaged: its checksum is {found:08x} where {expected:08x} is right; take an older copy, or begin anew")]
    Wrong {
        /// The one that stands there.
        found: u32,
        /// That of the bytes.
        expected: u32,
    },
}

/// Puts the checksum of bytes after them.
pub fn append(bytes: &mut Vec<u8>) {
    bytes.extend(MARK);
    bytes.extend(crc32fast::hash(bytes).to_le_bytes());
}

/// The bytes before a checksum that is right.
///
/// # Errors
///
/// [`ChecksumError::Absent`], [`ChecksumError::Wrong`].
pub fn verify(bytes: &[u8]) -> Result<&[u8], ChecksumError> {
    let (marked, found) = bytes.split_last_chunk().ok_or(ChecksumError::Absent)?;
    let before = marked.strip_suffix(MARK).ok_or(ChecksumError::Absent)?;
    let (found, expected) = (u32::from_le_bytes(*found), crc32fast::hash(marked));
    if found == expected { Ok(before) } else { Err(ChecksumError::Wrong { found, expected }) }
}
