//! What the fuzz target does with its bytes, shared by `fuzz/` and the replay of the corpus on stable: it ends with a panic
//! when something that holds for every input does not.

use ringfence_attest::Require;

use super::read::Root;
use super::read::read;

/// A file that is read says all that is asked of it; one that is not is refused at a place in the text.
pub(crate) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let settings = match read(text) {
        Ok(settings) => settings,
        Err(wrong) => {
            assert!(text.get(..wrong.at).is_some() && !wrong.message.is_empty(), "{wrong:?}: {text}");
            return;
        }
    };
    assert!(settings.require.is_none_or(|require| require.parse::<Require>().is_ok()), "{text}");
    let is_blank = |text: &String| text.trim().is_empty();
    assert!(!settings.model_allow.iter().any(is_blank), "{text}");
    let signers = settings.signers.unwrap_or_default();
    for (at, signer) in signers.iter().enumerate() {
        let (Root::Key(file) | Root::Ca { file, .. }) = &signer.root;
        assert!(!is_blank(&signer.name) && !is_blank(file), "{text}");
        assert!(!signer.repos.is_empty() && !signer.repos.iter().any(is_blank), "{text}");
        assert!(signers.iter().take(at).all(|other| other.name != signer.name), "{text}");
    }
}
