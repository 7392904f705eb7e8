//! Room `attest`: a timestamp of a signature and who is trusted to tell the time -> when the signature was there at the latest.
//! RFC 3161.

use crate::PublicKey;
use crate::Sha256;
use crate::time;
use crate::x509::Certificate;
use crate::x509::Purpose;
use crate::x509::Roots;

mod token;

use token::Token;

/// Certificates of those who are trusted to tell the time, and of nobody else: authorities above them, or their own. The
/// latter are needed where a token has none in it: those that Sigstore's clients ask for.
#[derive(Clone, Debug)]
pub struct TimeAuthorities(Roots);

/// When a signature was there at the latest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Since 1970.
    pub seconds: u64,
    /// Who says so: the common name of its certificate, or the fingerprint where it has none.
    pub by: String,
}

impl TimeAuthorities {
    /// Trusts these. Fails where one of them is damaged.
    pub fn new(given: Vec<Vec<u8>>) -> Result<Self, &'static str> {
        Roots::new(given).map(Self)
    }

    /// What a `TimeStampResp` in DER says of `signature`, with certificates as of the time that it tells, which is not after
    /// `now` (seconds since 1970); or why nothing can be concluded from it. Revocation is not looked at.
    pub fn verify(&self, response: &[u8], signature: &[u8], now: u64) -> Result<Stamp, String> {
        let token = Token::read(response)?;
        if !token.is_of(signature) {
            return Err("a timestamp of something else than this signature".to_owned());
        }
        let (der, certificate) = self.signer(&token)?;
        let by =
            certificate.name.clone().unwrap_or_else(|| format!("certificate sha256:{}", Sha256::of(der)));
        let key = PublicKey::from_der(certificate.key).map_err(|error| format!("{by}: {error}"))?;
        if !token.is_signed_by(&key) {
            return Err(format!("not signed by {by}, whom it names"));
        }
        if let Some(why) = certificate.why_not_stamp() {
            return Err(format!("{by} may not sign times: {why}"));
        }
        let seconds = token.info.seconds;
        let at = time::text(seconds);
        if seconds > now {
            let now = time::text(now);
            return Err(format!("it tells {at}, and here it is {now}: one of the two clocks is wrong"));
        }
        if !certificate.is_valid(seconds) {
            let (from, to) = (time::text(certificate.not_before), time::text(certificate.not_after));
            return Err(format!("{by} is valid from {from} to {to}, and tells {at}"));
        }
        let rest: Vec<Vec<u8>> = token.certificates.iter().map(|it| it.to_vec()).collect();
        self.0.path(Purpose::Time, der, &rest, seconds)?;
        Ok(Stamp { seconds, by })
    }

    /// The signer's certificate, of those in the token and of those that are given.
    fn signer<'c>(&'c self, token: &Token<'c>) -> Result<(&'c [u8], Certificate<'c>), String> {
        let known = token.certificates.iter().copied().chain(self.0.each());
        let mut named = known.filter_map(|der| {
            let certificate = Certificate::read(der)?;
            token.names(der, &certificate).then_some((der, certificate))
        });
        named.next().ok_or_else(|| {
            "the certificate of its signer is neither in it nor among those that are given".to_owned()
        })
    }
}

/// A response of foreign bytes: what the fuzz target calls.
pub fn read_timestamp(bytes: &[u8]) -> Result<(), crate::Refusal> {
    let refuse = |rule: &str| crate::Refusal { path: "$".to_owned(), rule: rule.to_owned() };
    Token::read(bytes).map(drop).map_err(refuse)
}
