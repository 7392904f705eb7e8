//! Room `attest`, tests: kinds of keys that others sign with: RSA by one padding and one hash, Ed25519 over the message or its
//! SHA-512.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::RsaKeyPair;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use sha2::Digest as _;

use super::*;
use crate::KeyError;
use crate::oms::bundle::pre_authentication;

static PADDINGS: [(&dyn signature::RsaEncoding, bool); 6] = [
    (&signature::RSA_PKCS1_SHA256, true),
    (&signature::RSA_PKCS1_SHA384, false),
    (&signature::RSA_PKCS1_SHA512, false),
    (&signature::RSA_PSS_SHA256, false),
    (&signature::RSA_PSS_SHA384, false),
    (&signature::RSA_PSS_SHA512, false),
];

fn rsa(size: KeySize) -> (RsaKeyPair, PublicKey) {
    let pair = RsaKeyPair::generate(size).unwrap();
    let der = pair.public_key().as_der().unwrap();
    let public = PublicKey::read(der.as_ref()).unwrap();
    assert_eq!(public.to_der(), der.as_ref());
    // The bare form is the same key.
    assert_eq!(PublicKey::read(pair.public_key().as_ref()).unwrap(), public);
    (pair, public)
}

fn rsa_signature(pair: &RsaKeyPair, how: &'static dyn signature::RsaEncoding, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(how, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

/// A bench that trusts this key, and what it signs: the payload and the bundle without a signature of its own.
fn bench(name: &str, public: &PublicKey) -> (Bench, Vec<u8>, Value) {
    let mut bench = Bench::new(name);
    bench.trust = vec![TrustedSigner {
        name: "release".to_owned(),
        root: TrustRoot::Key(public.clone()),
        until: None,
        tsa: None,
    }];
    let payload = bench.payload().to_string();
    let mut bundle: Value =
        serde_json::from_str(&sign::envelope(payload.as_bytes(), &bench.key, &[]).unwrap()).unwrap();
    bundle["verificationMaterial"]["publicKey"]["hint"] = json!(public.hint());
    (bench, pre_authentication(payload.as_bytes()), bundle)
}

fn signed(bundle: &Value, signature: &[u8]) -> Value {
    let mut bundle = bundle.clone();
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(STANDARD.encode(signature));
    bundle
}

#[test]
fn rsa_verifies_by_one_padding_and_one_hash_whatever_its_size() {
    for (size, details) in [
        (KeySize::Rsa2048, "PKIX_RSA_PKCS1V15_2048_SHA256"),
        (KeySize::Rsa3072, "PKIX_RSA_PKCS1V15_3072_SHA256"),
        (KeySize::Rsa4096, "PKIX_RSA_PKCS1V15_4096_SHA256"),
    ] {
        let (pair, public) = rsa(size);
        let (bench, message, bundle) = bench("rsa", &public);
        for (how, verifies) in &PADDINGS {
            let bundle = signed(&bundle, &rsa_signature(&pair, *how, &message));
            assert_eq!(bench.verifies(&bundle), *verifies, "{how:?}");
        }
        let mut carried = signed(&bundle, &rsa_signature(&pair, &signature::RSA_PKCS1_SHA256, &message));
        let by = bench.verify(carried.to_string().as_bytes()).signed_by.unwrap();
        assert_eq!((by.algorithm, by.method), ("RSA", "key"));
        for (told, verifies) in [
            (details, true),
            ("PKIX_RSA_PSS_2048_SHA256", false),
            ("PKIX_ECDSA_P256_SHA_256", false),
            ("PKIX_RSA_PKCS1V15_1024_SHA256", false),
        ] {
            let pem = STANDARD.encode(public.to_pem());
            carried["verificationMaterial"]["publicKey"] = json!({"rawBytes": pem, "keyDetails": told});
            assert_eq!(bench.verifies(&carried), verifies, "{told}");
        }
    }
}

#[test]
fn every_change_of_a_bundle_by_rsa_or_ed25519_is_refused_but_for_the_harmless() {
    let (pair, public) = rsa(KeySize::Rsa2048);
    let pure = Ed25519KeyPair::generate().unwrap();
    let edwards_public = PublicKey::read(pure.public_key().as_der().unwrap().as_ref()).unwrap();
    let by_rsa = |message: &[u8]| rsa_signature(&pair, &signature::RSA_PKCS1_SHA256, message);
    let by_edwards = |message: &[u8]| pure.sign(message).as_ref().to_vec();
    let (prehashing, prehashing_public) = edwards(&[9; 32]);
    let by_digest = |message: &[u8]| prehashed(&prehashing, message, None);
    for (public, sign, algorithm) in [
        (&public, &by_rsa as &dyn Fn(&[u8]) -> Vec<u8>, "RSA"),
        (&edwards_public, &by_edwards, "Ed25519"),
        (&prehashing_public, &by_digest, "Ed25519ph"),
    ] {
        let (bench, message, bundle) = bench("kinds", public);
        let good = signed(&bundle, &sign(&message));
        let result = bench.verify(good.to_string().as_bytes());
        assert_eq!(result.outcome(), VerifyOutcome::Verified, "{algorithm}: {:?}", result.reasons);
        assert_eq!(result.signed_by.unwrap().algorithm, algorithm);
        let verify = |bundle: &Value| bench.verify(bundle.to_string().as_bytes());
        let passed = changes::still_verify("$", &good, &[], &changes::of_key_bundle(), &verify);
        assert_eq!(passed, changes::HARMLESS, "{algorithm}");
        for path in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
            for (at, bundle) in changes::of_bytes(&good, path) {
                assert!(!bench.verifies(&bundle), "{algorithm}: {path}, byte {at}");
            }
        }
        // One byte less, one more, and the signature of another kind of key.
        let signature = sign(&message);
        let ours = bench.key.sign(&message).unwrap();
        for wrong in
            [&signature[1..], &signature[..signature.len() - 1], &[&signature[..], &[0]].concat(), &ours]
        {
            assert!(!bench.verifies(&signed(&bundle, wrong)), "{algorithm}");
        }
        // The form of 0.2 knows curves alone.
        let mut old = bench;
        old.oms_v02 = true;
        assert!(old.verifies(&good), "{algorithm}");
    }
}

/// An Ed25519 key, and ours for its public half.
fn edwards(seed: &[u8; 32]) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(seed);
    let prefix = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice();
    let der = [prefix, &key.verifying_key().to_bytes()].concat();
    (key, PublicKey::read(&der).unwrap())
}

fn prehashed(key: &SigningKey, message: &[u8], context: Option<&[u8]>) -> Vec<u8> {
    key.sign_prehashed(sha2::Sha512::new_with_prefix(message), context).unwrap().to_bytes().to_vec()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn ed25519ph_is_what_rfc_8032_signs() {
    // Section 7.3.
    let seed = bytes("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
    let signature = bytes(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
    );
    let (_, public) = edwards(&seed.try_into().unwrap());
    assert!(public.verifies_prehashed(b"abc", &signature) && !public.verifies(b"abc", &signature));
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert!(!public.verifies_prehashed(b"abc", &changed), "byte {at}");
        assert!(!public.verifies_prehashed(b"abc", &signature[..at]), "{at} bytes");
    }
    assert!(!public.verifies_prehashed(b"abd", &signature));
}

#[test]
fn ed25519_verifies_in_the_way_in_which_it_signed_and_in_no_other() {
    let (key, public) = edwards(&[7; 32]);
    let (bench, message, bundle) = bench("prehashed", &public);
    let digest = sha2::Sha512::digest(&message);
    let (over_message, over_digest) = (key.sign(&message).to_bytes(), prehashed(&key, &message, None));
    assert!(!public.verifies_prehashed(&message, &over_message) && !public.verifies(&message, &over_digest));
    assert!(!public.verifies(&digest, &over_digest));
    let pem = STANDARD.encode(public.to_pem());
    let carried = |details: &str| json!({"rawBytes": pem, "keyDetails": details});
    let hint = bundle["verificationMaterial"]["publicKey"].clone();
    for (signature, algorithm, details, other) in [
        (&over_message[..], "Ed25519", "PKIX_ED25519", "PKIX_ED25519_PH"),
        (&over_digest, "Ed25519ph", "PKIX_ED25519_PH", "PKIX_ED25519"),
    ] {
        for (named, verifies) in [(&hint, true), (&carried(details), true), (&carried(other), false)] {
            let mut bundle = signed(&bundle, signature);
            bundle["verificationMaterial"]["publicKey"] = named.clone();
            let result = bench.verify(bundle.to_string().as_bytes());
            if verifies {
                assert_eq!(result.outcome(), VerifyOutcome::Verified, "{algorithm}: {:?}", result.reasons);
                assert_eq!(result.signed_by.unwrap().algorithm, algorithm);
            } else {
                failed(&result, "not a signature of this payload by any key given");
            }
        }
    }
    // A digest that is signed as a message, and a context, which nobody has asked for.
    let as_message = key.sign(&digest).to_bytes();
    for wrong in [&as_message[..], &prehashed(&key, &message, Some(b"x")), &prehashed(&key, &digest, None)] {
        failed(
            &bench.verify(signed(&bundle, wrong).to_string().as_bytes()),
            "not a signature of this payload",
        );
    }
    // What the bundle says of another kind of key is no way of this one.
    let mut other = bundle;
    other["verificationMaterial"]["publicKey"] = carried("PKIX_ECDSA_P256_SHA_256");
    failed(
        &bench.verify(signed(&other, &over_digest).to_string().as_bytes()),
        "the key that the bundle carries",
    );
}

/// A public key whose modulus has so many bits; no signature is by it.
fn of_bits(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] = 0xff >> (modulus.len() * 8 - bits);
    if modulus[0] >= 0x80 {
        modulus.insert(0, 0);
    }
    let numbers = [crate::der::element(crate::der::INTEGER, &modulus), vec![2, 3, 1, 0, 1]].concat();
    crate::der::element(crate::der::SEQUENCE, &numbers)
}

#[test]
fn rsa_of_another_size_is_refused_with_its_bits() {
    for bits in [512, 1024, 2047, 4097, 8192] {
        let read = PublicKey::read(&of_bits(bits));
        assert!(matches!(read, Err(KeyError::RsaSize(told)) if told == bits), "{bits}: {read:?}");
    }
    let told = PublicKey::read(&of_bits(1024)).unwrap_err().to_string();
    assert_eq!(told, "an RSA key of 1024 bits: 2048 to 4096 are verified");
    for bits in [2048, 2049, 3072, 4096] {
        assert!(PublicKey::read(&of_bits(bits)).is_ok(), "{bits}");
    }
}

#[test]
fn an_rsa_key_has_one_way_to_be_written() {
    let (_, public) = rsa(KeySize::Rsa2048);
    let der = public.to_der();
    for at in 0..der.len() {
        assert!(PublicKey::from_der(&der[..at]).is_err(), "{at}");
        let mut changed = der.clone();
        changed[at] ^= 1;
        // The frame is read in one way; a key of other numbers is another key.
        let read = PublicKey::from_der(&changed);
        assert!(
            if at < 24 { read.is_err() } else { !matches!(read, Ok(same) if same == public) },
            "byte {at}"
        );
    }
    assert!(PublicKey::from_der(&[&der[..], &[0]].concat()).is_err());
    let pem = crate::pem::write("RSA PUBLIC KEY", &of_bits(2048));
    assert_eq!(PublicKey::read(pem.as_bytes()).unwrap(), PublicKey::read(&of_bits(2048)).unwrap());
}

#[test]
fn what_verifies_alone_does_not_sign_and_says_what_to_do() {
    let (pair, _) = rsa(KeySize::Rsa2048);
    let edwards = Ed25519KeyPair::generate().unwrap();
    let rsa: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = |label, der: &[u8]| crate::pem::write(label, der);
    for (file, name) in [
        (pem("PRIVATE KEY", rsa.as_ref()), "RSA"),
        (pem("RSA PRIVATE KEY", &[0x30, 0]), "RSA"),
        (pem("PRIVATE KEY", edwards.to_pkcs8v1().unwrap().as_ref()), "Ed25519"),
    ] {
        let error = PrivateKey::read(file.as_bytes(), &mut || panic!("asked for a password")).unwrap_err();
        assert!(matches!(error, KeyError::VerifiesOnly(told) if told == name), "{error}");
        assert!(error.to_string().contains("`ringfence model keygen`"), "{error}");
    }
}
