//! Room `attest`: who is trusted, until when, and how many of them have to agree.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

use crate::PublicKey;
use crate::TimeAuthorities;
use crate::time;
use crate::x509::Authorities;

/// Somebody whose signature counts.
#[derive(Debug)]
pub struct TrustedSigner {
    /// What people call it; shown, never compared with what a signature says of itself.
    pub name: String,
    /// What its signatures are held against.
    pub root: TrustRoot,
    /// Last second in which it is trusted, since 1970; for ever where none is said.
    pub until: Option<u64>,
    /// Who is believed of the time of its signatures. Where nobody is, no timestamp is looked at, and it helps nothing.
    pub tsa: Option<TimeAuthorities>,
}

/// What a signature is held against.
#[derive(Debug)]
pub enum TrustRoot {
    /// This very key.
    Key(PublicKey),
    /// A certificate that one of these authorities stands behind.
    Authority {
        /// The authorities, and when the certificate must be valid.
        authorities: Authorities,
        /// Whom the certificate must be for; anybody with a certificate of the authorities where none is said.
        identity: Option<String>,
    },
}

/// How many signers have to agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Require {
    /// One of them.
    #[default]
    Any,
    /// Each of them.
    All,
    /// So many different ones.
    Count(NonZero<usize>),
}

/// A word that says no number of signers.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is neither any, all nor a whole number from 1 on")]
pub struct ParseRequireError(String);

impl TrustedSigner {
    /// Why it does not count at `now`, seconds since 1970.
    pub(super) fn is_over(&self, now: u64) -> Option<String> {
        let until = self.until.filter(|until| now > *until)?;
        Some(format!("{} was trusted until {}", self.name, time::text(until)))
    }

    /// What lets more signatures through than its name suggests.
    pub(super) fn is_wide(&self) -> Option<String> {
        match &self.root {
            TrustRoot::Authority { identity: None, .. } => Some(format!(
                "{}: any certificate of its authority may sign; an identity would narrow it to one",
                self.name
            )),
            _ => None,
        }
    }
}

impl Require {
    /// Of so many signers, how many different ones have to agree; never none.
    pub(super) fn needed(self, signers: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => signers.max(1),
            Self::Count(count) => count.get(),
        }
    }
}

impl FromStr for Require {
    type Err = ParseRequireError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            // Digits alone: `+2` and ` 2` are typing errors.
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().map(Self::Count).map_err(|_| ParseRequireError(text.to_owned()))
            }
            _ => Err(ParseRequireError(text.to_owned())),
        }
    }
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_signers_is_any_all_or_a_count() {
        for (text, of_three) in [("any", Some(1)), ("all", Some(3)), ("2", Some(2)), ("4", Some(4))] {
            let require: Require = text.parse().unwrap();
            assert_eq!((Some(require.needed(3)), require.to_string().as_str()), (of_three, text));
        }
        for wrong in ["0", "", "-1", "+2", "1.5", "Any", "none", "99999999999999999999999"] {
            assert!(wrong.parse::<Require>().is_err(), "{wrong}");
        }
        assert_eq!(Require::All.needed(0), 1, "nobody is never enough");
    }
}
