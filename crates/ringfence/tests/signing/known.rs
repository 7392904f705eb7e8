//! Digests that are wrong on a machine: known answers find it before anything is signed, verified or told, exit code 5. The
//! product has no switch for that, so a copy of the binary is changed: the constants that SHA-256 computes with, or an answer.

use std::fs::File;
use std::io::BufRead as _;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use crate::Folder;
use crate::Ran;
use crate::keys;
use crate::run;

/// The first two constants of SHA-256 (FIPS 180-4, section 4.2.2), as they stand in the memory of x86-64 and arm64.
const CONSTANTS: [u8; 8] = *b"\x98\x2f\x8a\x42\x91\x44\x37\x71";
/// The digest of `abc` (FIPS 180-4, example in the NIST's collection), and that of the longest message that is asked.
const ANSWERS: [&[u8]; 2] = [b"ba7816bf8f01cfea4141", b"3cf64b5ba8e8748e2d66"];

/// A copy of the binary whose bytes are changed, and changed back: one of a test has 100 MB and more.
struct Copy {
    path: String,
    bytes: Vec<u8>,
}

impl Copy {
    fn new(folder: &Folder) -> Self {
        let own = env!("CARGO_BIN_EXE_ringfence");
        let path = format!("{}/ringfence", folder.path());
        std::fs::copy(own, &path).unwrap();
        Self { path, bytes: std::fs::read(own).unwrap() }
    }

    /// Where these bytes stand.
    fn places(&self, what: &[u8]) -> Vec<usize> {
        let mut places = Vec::new();
        let mut rest = self.bytes.as_slice();
        // This search of std is an optimised one in tests, too.
        while rest.skip_until(what[0]).unwrap() > 0 {
            let at = self.bytes.len() - rest.len() - 1;
            places.extend(self.bytes[at..].starts_with(what).then_some(at));
        }
        assert!(!places.is_empty(), "{} stands nowhere in the binary", what.escape_ascii());
        places
    }

    /// Changes the byte at each of these places, or back. The file is closed behind it: none that is open to be written runs.
    fn flip(&mut self, places: &[usize]) {
        let file = File::options().write(true).open(&self.path).unwrap();
        for at in places {
            self.bytes[*at] ^= 1;
            file.write_all_at(&[self.bytes[*at]], *at as u64).unwrap();
        }
    }
}

#[test]
fn a_wrong_known_answer_ends_each_command_that_hashes_with_5() {
    let folder = Folder::new("known");
    folder.write("m/weights.bin", "bytes");
    let model = format!("{}/m", folder.path());
    let (key, public) = keys(&folder, "p256", "pem", "");
    let (good, new) = (format!("{}/good.sig", folder.path()), format!("{}/new", folder.path()));
    run(&["model", "sign", &model, "--key", &key, "--out", &good]).ends(0);
    let empty = folder.write("empty", "");
    let mut binary = Copy::new(&folder);
    for what in std::iter::once(&CONSTANTS[..]).chain(ANSWERS) {
        let places = binary.places(what);
        binary.flip(&places);
        for arguments in [
            &["model", "sign", &model, "--key", &key, "--out", &new][..],
            &["model", "verify", &model, "--key", &public, "--signature", &good],
            &["model", "scan", &model, "--sha256"],
            &["model", "keygen", "--out", &new, "--password-file", &empty],
        ] {
            let mut command = Command::new(&binary.path);
            let ran: Ran = command.args(arguments).env_clear().output().unwrap().into();
            assert_eq!((ran.code, ran.out.as_str()), (5, ""), "{arguments:?}: {ran:#?}");
            let words =
                ["error: SHA-256 of ", "is wrong on this machine", "report it with the model of the CPU"];
            assert!(words.iter().all(|words| ran.err.contains(words)), "{arguments:?}: {ran:#?}");
            for left in [new.clone(), format!("{new}.key"), format!("{new}.pub")] {
                assert!(!std::fs::exists(&left).unwrap(), "{arguments:?} wrote {left}");
            }
        }
        // What needs no digest of ours works.
        let version = Command::new(&binary.path).arg("version").output().unwrap();
        assert!(version.status.success(), "{version:?}");
        binary.flip(&places);
    }
    // Changed back it is right: it was the bytes that were changed, and nothing else of the copy.
    let mut command = Command::new(&binary.path);
    let verify = ["model", "verify", &model, "--key", &public, "--signature", &good];
    Ran::from(command.args(verify).env_clear().output().unwrap()).ends(0);
}
