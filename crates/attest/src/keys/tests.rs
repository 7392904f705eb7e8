//! Room `attest`, tests: key files, ours read back and damaged ones refused.

use zeroize::Zeroizing;

use super::*;

fn password(text: &str) -> impl FnMut() -> Result<Password, KeyError> {
    move || Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

fn no_password() -> Result<Password, KeyError> {
    panic!("asked for a password");
}

#[test]
fn a_new_key_is_read_back_and_its_signature_is_its_own() {
    for curve in Curve::ALL {
        let secret = Zeroizing::new(b"secret".to_vec());
        let (key, file) = PrivateKey::generate(curve, KeyFormat::Pem, &secret).unwrap();
        let again = PrivateKey::read(file.as_bytes(), &mut password("secret")).unwrap();
        assert_eq!(again.public(), key.public());
        let wrong = PrivateKey::read(file.as_bytes(), &mut password("Secret"));
        assert!(matches!(wrong, Err(KeyError::Decrypt | KeyError::Unsupported)), "{wrong:?}");
        let public = PublicKey::read(key.public().to_pem().as_bytes()).unwrap();
        let signature = key.sign(b"message").unwrap();
        assert!(public.verifies(b"message", &signature) && !public.verifies(b"massage", &signature));
        assert!(!format!("{key:?}").contains("pair"));
    }
}

#[test]
fn an_open_key_asks_for_no_password() {
    let (key, file) = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &Zeroizing::default()).unwrap();
    let again = PrivateKey::read(file.as_bytes(), &mut no_password).unwrap();
    assert_eq!(again.public().hint(), key.public().hint());
    assert!(matches!(PublicKey::read(file.as_bytes()), Err(KeyError::Private)));
}

#[test]
fn a_cosign_key_is_read_back() {
    let secret = Zeroizing::new(b"secret".to_vec());
    let (key, file) = PrivateKey::generate(Curve::P256, KeyFormat::Cosign, &secret).unwrap();
    let again = PrivateKey::read(file.as_bytes(), &mut password("secret")).unwrap();
    assert_eq!(again.public(), key.public());
    let old = file.replace("SIGSTORE", "COSIGN");
    assert!(PrivateKey::read(old.as_bytes(), &mut password("secret")).is_ok());
    assert!(matches!(PrivateKey::read(file.as_bytes(), &mut password("")), Err(KeyError::Decrypt)));
}

#[test]
fn a_derivation_without_measure_is_refused_before_it_starts() {
    let file = |n: u64, r: u64, p: u64| {
        let json = format!(
            r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{r},"p":{p}}},"salt":"AAAA"}},"cipher":{{"name":"nacl/secretbox","nonce":"AAAA"}},"ciphertext":"AAAA"}}"#
        );
        crate::pem::write("ENCRYPTED SIGSTORE PRIVATE KEY", json.as_bytes())
    };
    for (n, r, p) in [(1 << 21, 8, 1), (2, 17, 1), (2, 8, 5), (1 << 20, 8, 1), (1 << 50, 1 << 50, 1)] {
        let read = PrivateKey::read(file(n, r, p).as_bytes(), &mut no_password);
        assert!(matches!(read, Err(KeyError::Excessive { .. })), "{n} {r} {p}: {read:?}");
    }
    for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (16, 0, 1)] {
        assert!(PrivateKey::read(file(n, r, p).as_bytes(), &mut no_password).is_err(), "{n} {r} {p}");
    }
}

#[test]
fn the_old_encryption_is_refused_with_the_cure() {
    let text = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let error = PrivateKey::read(text.as_bytes(), &mut no_password).unwrap_err();
    assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
}

#[test]
fn other_bytes_are_no_public_key() {
    let (key, _) = PrivateKey::generate(Curve::P256, KeyFormat::Pem, &Zeroizing::default()).unwrap();
    let der = key.public().to_der();
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        assert!(PublicKey::from_der(&changed).is_err(), "byte {at}");
        assert!(PublicKey::from_der(&der[..at]).is_err());
    }
}
