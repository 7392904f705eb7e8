//! Room `report`: a signature that was just made enters, the screen that says what it covers leaves, laid out as that of a
//! verification.

use std::io;

use super::COLUMN;
use crate::clean;
use crate::model::mask;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::words;

/// A signature that was just made. Paths are foreign text.
#[derive(Clone, Debug, Default)]
pub struct SignedModel {
    /// What is signed, as it was typed.
    pub source: String,
    /// File of the signature.
    pub signature: String,
    /// Files that it covers.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 of the key's DER, in hex.
    pub key: String,
    /// What the key signs with.
    pub algorithm: &'static str,
    /// SHA-256 of what is signed, in hex.
    pub payload: String,
    /// Root digest, in hex.
    pub root: String,
    /// Paths that were left out, with their number of files.
    pub skipped: Vec<(String, u64)>,
}

/// Writes what was signed, for people.
pub fn write_signed(signed: &SignedModel, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut signed = signed.clone();
    [&mut signed.source, &mut signed.signature].into_iter().for_each(mask);
    signed.skipped.iter_mut().for_each(|(path, _)| mask(path));
    let mut page = Page::new(style);
    let files = words::count(words::many(signed.files), "file");
    let word = style.paint(Tone::Good, "SIGNED").into_owned();
    page.line(&format!("{}   {files}, {}   {word}", clean::path(&signed.source), words::size(signed.bytes)));
    let mut labelled = |label: &str, words: &str| page.labelled(label, Tone::Plain, COLUMN, words);
    labelled("  signature", &clean::path(&signed.signature));
    labelled("  signed by", &format!("key sha256:{}; OMS, {}", signed.key, signed.algorithm));
    labelled("  payload", &format!("sha256:{}; root sha256:{}", signed.payload, signed.root));
    for (path, files) in &signed.skipped {
        labelled("  not covered", &format!("{} ({})", clean::path(path), words::count(*files, "file")));
    }
    out.write_all(page.into_text().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(signed: &SignedModel) -> String {
        let mut bytes = Vec::new();
        write_signed(signed, &Style { width: 80, ..Style::default() }, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_screen_fits_its_columns_and_counts_in_words() {
        let signed = SignedModel {
            source: "llama".to_owned(),
            signature: "llama/model.sig".to_owned(),
            files: 1,
            bytes: 1_500_000,
            key: "8b".repeat(32),
            algorithm: "P-256",
            payload: "41".repeat(32),
            root: "77".repeat(32),
            skipped: vec![(".git".to_owned(), 12), ("README.md".to_owned(), 1)],
        };
        insta::assert_snapshot!(text(&signed), @r"
        llama   1 file, 1.5 MB   SIGNED
          signature   llama/model.sig
          signed by   key
                      sha256:8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b8b;
                      OMS, P-256
          payload     sha256:4141414141414141414141414141414141414141414141414141414141414141;
                      root
                      sha256:7777777777777777777777777777777777777777777777777777777777777777
          not covered .git (12 files)
          not covered README.md (1 file)
        ");
    }

    #[test]
    fn hostile_names_are_inert_and_keys_are_masked() {
        let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
        let hostile = format!("a\u{1b}[2J\n::error::x\u{202e}{key}");
        let skipped = vec![(hostile.clone(), 1)];
        let signed =
            SignedModel { source: hostile.clone(), signature: hostile, skipped, ..SignedModel::default() };
        let printed = text(&signed);
        assert_eq!(printed.lines().filter(|line| line.contains("error")).count(), 3, "{printed}");
        for bad in ["\u{1b}", "\u{202e}", "\n::error", &key] {
            assert!(!printed.contains(bad), "{bad:?} in {printed}");
        }
    }
}
