//! Room `report`: the list of output formats, with the word users type and the extension of a file.

use std::fmt;
use std::str::FromStr;

use crate::clean;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The screen for people.
    Text,
    /// One line per finding, for editors and grep.
    Concise,
    /// One document for programs, with a published schema.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

impl Format {
    /// Every format of this build, in the order help texts name them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Concise, Self::Json, Self::Sarif];

    /// The word behind `--format`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Concise => "concise",
            Self::Json => "json",
            Self::Sarif => "sarif",
        }
    }

    /// Usual extension of a file in this format, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text | Self::Concise => "txt",
            Self::Json => "json",
            Self::Sarif => "sarif",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no format of this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFormatError {
    word: String,
}

impl fmt::Display for ParseFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a format of this build: it has ", clean::name(&self.word))?;
        for (index, format) in Format::ALL.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == Format::ALL.len() => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{format}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseFormatError {}

impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| ParseFormatError { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_word() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
            assert!(!format.extension().is_empty());
        }
        assert_eq!("SARIF".parse(), Ok(Format::Sarif));
    }

    #[test]
    fn a_format_that_is_not_there_names_those_that_are() {
        let error = "junit".parse::<Format>().unwrap_err().to_string();
        assert_eq!(error, "`junit` is not a format of this build: it has text, concise, json and sarif");
        let hostile = "x\u{1b}[2J".parse::<Format>().unwrap_err().to_string();
        assert!(hostile.starts_with("`x\\x1b[2J` is not"), "{hostile}");
    }
}
