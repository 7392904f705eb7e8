//! Images without a builder and without a registry: static programs and an entry point -> a tar in the OCI
//! image layout, with one uncompressed layer, that `ctr images import` takes. Same input, same bytes.
//!
//! Sources: OCI image-spec 1.0 (layout, index, manifest, config), POSIX ustar for the tar.

use std::fmt::Write;

use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

use crate::error::Error;
use crate::error::Result;

/// The image that every node has: `labtool`, which does what its arguments say.
pub const LABTOOL: &str = "lab.local/labtool:1";

/// A file of an image.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is, from the root, without a leading slash: `bin/serve`.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Permission bits: 0o755 for a program.
    pub mode: u32,
}

/// What goes into an image.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Full reference: `lab.local/serve:1`.
    pub name: String,
    /// The command that a pod runs when it names none.
    pub entry: Vec<String>,
    /// Files, beside `etc/passwd` and `etc/group` with root and nobody (65534).
    pub files: Vec<File>,
    /// More names of a file: name, then the path of the file.
    pub links: Vec<(String, String)>,
}

/// An image as bytes.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The tar that `ctr images import` takes.
    pub tar: Vec<u8>,
    /// `sha256:...` of the manifest: what a registry calls the image's digest.
    pub manifest: String,
    /// `sha256:...` of the config: what a pod's `imageID` says for an image that was imported.
    pub config: String,
}

const FOLDERS: [&str; 7] = ["bin", "dev", "etc", "proc", "root", "sys", "tmp"];
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";

impl Image {
    /// The image as a tar.
    pub fn pack(&self) -> Result<Packed> {
        let (repository, tag) = self
            .name
            .rsplit_once(':')
            .filter(|(repository, tag)| repository.contains('/') && !tag.contains('/'))
            .ok_or_else(|| Error::other(format!("image name `{}`: expected HOST/NAME:TAG", self.name)))?;
        debug_assert!(!repository.is_empty());
        let layer = self.layer()?;
        let config = json_bytes(&json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "Entrypoint": self.entry, "Env": ["PATH=/bin"], "WorkingDir": "/" },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        }));
        let manifest = json_bytes(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        }));
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json_bytes(&json!({ "schemaVersion": 2, "manifests": [entry] }));

        let mut tar = Tar::default();
        tar.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        tar.file("index.json", 0o644, &index)?;
        for blob in [&config, &manifest, &layer] {
            tar.file(&format!("blobs/sha256/{}", hex(&Sha256::digest(blob))), 0o644, blob)?;
        }
        Ok(Packed { tar: tar.finish(), manifest: digest(&manifest), config: digest(&config) })
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut tar = Tar::default();
        for folder in FOLDERS {
            tar.entry(Kind::Folder, folder, if folder == "tmp" { 0o1777 } else { 0o755 }, "", &[])?;
        }
        tar.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
        tar.file("etc/group", 0o644, GROUP.as_bytes())?;
        for file in &self.files {
            tar.file(&file.path, file.mode, &file.bytes)?;
        }
        for (name, target) in &self.links {
            tar.entry(Kind::Link, name, 0o755, target, &[])?;
        }
        Ok(tar.finish())
    }
}

/// What the image specification calls this machine.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn descriptor(kind: &str, blob: &[u8]) -> serde_json::Value {
    json!({ "mediaType": kind, "digest": digest(blob), "size": blob.len() })
}

fn json_bytes(value: &serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(blob)))
}

/// Two lowercase digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Entry types of ustar.
#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
    Link,
}

/// A tar that grows; dates are the epoch, owners root.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    const BLOCK: usize = 512;

    fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.entry(Kind::File, path, mode, "", bytes)
    }

    fn entry(&mut self, kind: Kind, path: &str, mode: u32, link: &str, bytes: &[u8]) -> Result<()> {
        let mut header = [0_u8; Self::BLOCK];
        put(&mut header, 0, 100, path)?;
        put(&mut header, 100, 8, &format!("{mode:07o}"))?;
        put(&mut header, 108, 8, "0000000")?; // owner
        put(&mut header, 116, 8, "0000000")?; // group
        put(&mut header, 124, 12, &format!("{:011o}", bytes.len()))?;
        put(&mut header, 136, 12, "00000000000")?; // time
        put(&mut header, 148, 8, "        ")?; // the checksum counts itself as blanks
        let flag = match kind {
            Kind::File => "0",
            Kind::Link => "1",
            Kind::Folder => "5",
        };
        put(&mut header, 156, 1, flag)?;
        put(&mut header, 157, 100, link)?;
        put(&mut header, 257, 8, "ustar\u{0}00")?;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut header, 148, 8, &format!("{sum:06o}\0 "))?;
        self.0.extend(header);
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(Self::BLOCK), 0);
        Ok(())
    }

    /// Two empty blocks end the archive.
    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * Self::BLOCK, 0);
        self.0
    }
}

fn put(header: &mut [u8; Tar::BLOCK], at: usize, width: usize, text: &str) -> Result<()> {
    let field = header.get_mut(at..at + width).and_then(|field| field.get_mut(..text.len()));
    let Some(field) = field else {
        return Err(Error::other(format!("`{text}`: a path in an image has at most {width} bytes")));
    };
    field.copy_from_slice(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;
    use std::process::Stdio;

    use super::*;

    fn digest_of(bytes: &[u8]) -> String {
        digest(bytes)
    }

    fn image() -> Image {
        let file = |path: &str, bytes: &[u8]| File { path: path.into(), bytes: bytes.into(), mode: 0o755 };
        Image {
            name: "lab.local/tool:1".into(),
            entry: vec!["/bin/tool".into()],
            files: vec![file("bin/tool", b"#!program"), file("bin/empty", b"")],
            links: vec![("bin/pause".into(), "bin/tool".into())],
        }
    }

    /// What GNU tar makes of bytes.
    fn tar(arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
        let mut child =
            Command::new("tar").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    #[test]
    fn each_descriptor_names_a_blob_by_its_digest_and_size() {
        let packed = image().pack().unwrap();
        let blob = |descriptor: &serde_json::Value| {
            let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
            let bytes = tar(&["-xO", &format!("blobs/{digest}")], &packed.tar);
            assert_eq!(digest_of(&bytes), descriptor["digest"]);
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        };
        let index: serde_json::Value =
            serde_json::from_slice(&tar(&["-xO", "index.json"], &packed.tar)).unwrap();
        assert_eq!(index["manifests"][0]["digest"], packed.manifest);
        assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "1");
        let manifest: serde_json::Value = serde_json::from_slice(&blob(&index["manifests"][0])).unwrap();
        assert_eq!(manifest["config"]["digest"], packed.config);
        let config: serde_json::Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
        let layer = blob(&manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], digest_of(&layer));
        let listing = String::from_utf8(tar(&["-tv"], &layer)).unwrap();
        assert!(listing.contains("-rwxr-xr-x 0/0               9 1970-01-01 00:00 bin/tool\n"), "{listing}");
        assert!(listing.contains("bin/pause link to bin/tool\n"), "{listing}");
        assert!(listing.contains("drwxrwxrwt 0/0               0 1970-01-01 00:00 tmp"), "{listing}");
        assert_eq!(tar(&["-xO", "bin/tool"], &layer), b"#!program");
    }

    #[test]
    fn the_same_image_has_the_same_digest_and_another_file_another() {
        let mut other = image();
        assert_eq!(image().pack().unwrap().tar, other.pack().unwrap().tar);
        other.files[0].bytes.push(b'!');
        assert_ne!(image().pack().unwrap().config, other.pack().unwrap().config);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let long = Image { links: vec![("a".repeat(101), "bin/tool".into())], ..image() };
        assert!(long.pack().unwrap_err().to_string().contains("at most 100 bytes"));
        let nameless = Image { name: "tool".into(), ..image() };
        assert!(nameless.pack().unwrap_err().to_string().contains("HOST/NAME:TAG"));
    }
}
