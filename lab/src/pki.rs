//! Keys and certificates of one lab: its name -> a CA, a leaf per client and server, the pair that signs
//! service account tokens. Everything is new for each lab and valid for 30 days.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::time::Duration;
use std::time::SystemTime;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;

use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::site::NODE_ADDRESS;
use crate::site::SERVICE_ADDRESS;

/// Name of the real node.
pub(crate) const NODE_NAME: &str = "real-node-1";

const DAY: Duration = Duration::from_hours(24);

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The certificates of a lab, by name: `admin`, `kube-scheduler`.
pub(crate) struct Pki {
    /// The CA's certificate, PEM.
    pub(crate) ca: String,
    leaves: BTreeMap<&'static str, Identity>,
}

impl Pki {
    /// Makes all of them and writes `NAME.crt`, `NAME.key`, `ca.crt`, `ca.key`, `sa.key` and `sa.pub`.
    pub(crate) fn create(home: &Home) -> Result<Self> {
        let ca = authority(&home.name())?;
        let service_accounts = key()?;
        let leaves = LEAVES.iter().map(|leaf| Ok((leaf.name, leaf.issue(&ca)?))).collect::<Result<_>>()?;
        let pki = Self { ca: ca.pem(), leaves };
        let write = |name: String, text: &str| {
            let path = home.pki().join(name);
            fs::write(&path, text).map_err(Error::at(&path))
        };
        write("ca.crt".into(), &pki.ca)?;
        write("ca.key".into(), &ca.key().serialize_pem())?;
        write("sa.key".into(), &service_accounts.serialize_pem())?;
        write("sa.pub".into(), &service_accounts.public_key_pem())?;
        for (name, leaf) in &pki.leaves {
            write(format!("{name}.crt"), &leaf.certificate)?;
            write(format!("{name}.key"), &leaf.key)?;
        }
        Ok(pki)
    }

    /// The leaf of this name.
    pub(crate) fn leaf(&self, name: &str) -> Result<&Identity> {
        self.leaves.get(name).ok_or_else(|| Error::other(format!("no certificate `{name}`")))
    }
}

/// What stands in a leaf.
struct Leaf {
    name: &'static str,
    organization: Option<&'static str>,
    common_name: &'static str,
    dns: &'static [&'static str],
    addresses: &'static [Ipv4Addr],
}

const fn client(name: &'static str, organization: Option<&'static str>, common_name: &'static str) -> Leaf {
    Leaf { name, organization, common_name, dns: &[], addresses: &[] }
}

/// Names that the authorizers of Kubernetes know: certificates/ssl setup of its documentation.
const LEAVES: [Leaf; 7] = [
    Leaf {
        name: "kube-apiserver",
        organization: None,
        common_name: "kube-apiserver",
        dns: &["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"],
        addresses: &[Ipv4Addr::LOCALHOST, SERVICE_ADDRESS, NODE_ADDRESS],
    },
    Leaf {
        name: "kubelet",
        organization: Some("system:nodes"),
        common_name: "system:node:real-node-1",
        dns: &[NODE_NAME],
        addresses: &[NODE_ADDRESS],
    },
    client("admin", Some("system:masters"), "admin"),
    client("apiserver-kubelet-client", Some("system:masters"), "apiserver-kubelet-client"),
    client("kube-controller-manager", None, "system:kube-controller-manager"),
    client("kube-proxy", None, "system:kube-proxy"),
    client("kube-scheduler", None, "system:kube-scheduler"),
];

impl Leaf {
    fn issue(&self, ca: &CertifiedIssuer<'_, KeyPair>) -> Result<Identity> {
        let mut parameters = parameters(self.organization, self.common_name);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        for name in self.dns {
            let name = (*name).try_into().map_err(Error::while_(self.name))?;
            parameters.subject_alt_names.push(SanType::DnsName(name));
        }
        let addresses = self.addresses.iter().map(|address| SanType::IpAddress(IpAddr::V4(*address)));
        parameters.subject_alt_names.extend(addresses);
        let key = key()?;
        let certificate = parameters.signed_by(&key, ca).map_err(Error::while_(self.name))?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn authority(lab: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut parameters = parameters(None, &format!("{lab}-ca"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(parameters, key()?).map_err(Error::while_("CA"))
}

/// Valid from yesterday, for clocks that differ.
fn parameters(organization: Option<&str>, common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organization) = organization {
        parameters.distinguished_name.push(DnType::OrganizationName, organization);
    }
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + now.saturating_sub(DAY);
    parameters.not_after = epoch + now + DAY * 30;
    parameters
}

/// ECDSA on P-256. RSA keys take a second each in an unoptimised build; the API server and the controllers
/// take either, also for service account tokens.
fn key() -> Result<KeyPair> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(Error::while_("key"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Temporary;

    #[test]
    fn every_leaf_has_its_files_and_a_key_of_its_own() {
        let home = Temporary::new();
        let pki = Pki::create(&home).unwrap();
        let mut keys = std::collections::BTreeSet::new();
        for leaf in &LEAVES {
            let text = fs::read_to_string(home.pki().join(format!("{}.key", leaf.name))).unwrap();
            assert_eq!(pki.leaf(leaf.name).unwrap().key, text);
            assert!(keys.insert(text), "{}", leaf.name);
            assert!(pki.leaf(leaf.name).unwrap().certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        }
        assert!(pki.leaf("nobody").is_err());
        let public = fs::read_to_string(home.pki().join("sa.pub")).unwrap();
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"), "{public}");
        assert_eq!(LEAVES[1].common_name, format!("system:node:{NODE_NAME}"));
    }
}
