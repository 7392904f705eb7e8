//! Where the programs of the components come from: environment -> a path per program, or what is missing.
//! The first source that is set wins; sources are not mixed, except that controllers of the same minor
//! version join an API server that came without them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;
use crate::error::Result;
use crate::go_build;
use crate::home;
use crate::tier::Missing;
use crate::tier::Tier;

/// Every program of the lab binary, with the first tier that needs it.
pub(crate) const PROGRAMS: [(&str, Tier); 8] = [
    ("etcd", Tier::Api),
    ("kube-apiserver", Tier::Api),
    ("kubectl", Tier::Api),
    ("kube-controller-manager", Tier::ControlPlane),
    ("kube-scheduler", Tier::ControlPlane),
    ("enforcer", Tier::Node),
    ("kube-proxy", Tier::Node),
    ("kubelet", Tier::Node),
];

/// The programs that were found, by the name of the component; `kubectl` among them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Programs(BTreeMap<String, PathBuf>);

impl Programs {
    /// Those that lie in these folders, earlier folders first.
    pub(crate) fn in_folders(folders: &[PathBuf]) -> Self {
        let found = PROGRAMS.iter().filter_map(|(name, _)| {
            let file = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file())?;
            Some(((*name).to_owned(), file))
        });
        Self(found.collect())
    }

    /// The program of this name: `kubelet`, `kubectl`.
    pub(crate) fn get(&self, name: &str) -> Option<&Path> {
        self.0.get(name).map(PathBuf::as_path)
    }

    /// Adds a program that comes from elsewhere.
    pub(crate) fn add(&mut self, name: &str, file: PathBuf) {
        self.0.insert(name.to_owned(), file);
    }

    /// Where the programs are.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.values().map(PathBuf::as_path)
    }

    /// The same programs under links in a folder, where the file system allows it: what a lab runs stays
    /// while it runs, also when a build of another branch clears the cache.
    pub(crate) fn linked_into(self, folder: &Path) -> Self {
        let link = |(name, file): (String, PathBuf)| {
            let link = folder.join(&name);
            let kept = if fs::hard_link(&file, &link).is_ok() { link } else { file };
            (name, kept)
        };
        Self(self.0.into_iter().map(link).collect())
    }

    /// The highest tier that these programs suffice for.
    pub(crate) fn tier(&self) -> Option<Tier> {
        let complete = |tier: &Tier| self.lacking(*tier).is_empty();
        [Tier::Node, Tier::ControlPlane, Tier::Api].into_iter().find(complete)
    }

    /// What a tier needs and is not here.
    pub(crate) fn lacking(&self, tier: Tier) -> Vec<&'static str> {
        let needed = PROGRAMS.iter().filter(|(_, first)| *first <= tier).map(|(name, _)| *name);
        needed.filter(|name| self.get(name).is_none()).collect()
    }

    fn complete_from(mut self, others: Self) -> Self {
        for (name, file) in others.0 {
            self.0.entry(name).or_insert(file);
        }
        self
    }
}

/// The sources of programs that the environment names.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// `RINGFENCE_LAB_BIN`: folders.
    pub(crate) folders: Vec<PathBuf>,
    /// `KUBEBUILDER_ASSETS`: the folder of setup-envtest; normally etcd, kube-apiserver and kubectl only.
    pub(crate) envtest: Option<PathBuf>,
    /// Where the lab binary is kept.
    pub(crate) cache: PathBuf,
    /// Whether the lab binary may be built.
    pub(crate) build: bool,
}

impl Sources {
    /// What the environment says.
    pub(crate) fn of_environment() -> Result<Self> {
        Self::of(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        // The supervisor works in another folder.
        let absolute = |path: PathBuf| std::path::absolute(&path).map_err(Error::at(&path));
        let folder = |name: &str| variable(name).map(|path| absolute(path.into())).transpose();
        let listed = variable("RINGFENCE_LAB_BIN").unwrap_or_default();
        let listed = std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty());
        let base = folder("XDG_CACHE_HOME")?.or(folder("HOME")?.map(|home| home.join(".cache")));
        let cache = match (folder("RINGFENCE_LAB_CACHE")?, base) {
            (Some(cache), _) => cache,
            (None, Some(base)) => base.join("ringfence-lab"),
            // A user without a home. What lies here is executed: nobody else may write it.
            (None, None) => home::root()?.join("cache"),
        };
        Ok(Self {
            folders: listed.map(absolute).collect::<Result<_>>()?,
            envtest: folder("KUBEBUILDER_ASSETS")?,
            cache,
            build: variable("RINGFENCE_LAB_BUILD").is_none_or(|value| value != "0"),
        })
    }

    /// The programs, at least those of tier 1a. Builds the lab binary where no other source is set.
    pub(crate) fn programs(&self) -> Result<Programs> {
        let (programs, place) = if !self.folders.is_empty() {
            (Programs::in_folders(&self.folders), "RINGFENCE_LAB_BIN")
        } else if let Some(folder) = &self.envtest {
            (self.envtest(folder), "KUBEBUILDER_ASSETS")
        } else {
            (Programs::in_folders(&[go_build::folder(&self.cache, self.build)?]), "the lab binary")
        };
        let lacking = programs.lacking(Tier::Api);
        if lacking.is_empty() {
            return Ok(programs);
        }
        let what = lacking.iter().map(|name| format!("{name} not found")).collect();
        Err(Missing { tier: Tier::Api, what, hint: format!("complete the folders of {place}, or unset it") }
            .into())
    }

    /// An API server does not work with controllers of another minor version.
    fn envtest(&self, folder: &Path) -> Programs {
        let programs = Programs::in_folders(&[folder.to_owned()]);
        if programs.tier() != Some(Tier::Api) {
            return programs;
        }
        let ours = minor(&format!("Kubernetes {}", go_build::kubernetes_version()));
        let theirs = programs.get("kube-apiserver").and_then(version);
        match go_build::folder(&self.cache, false) {
            Ok(built) if theirs == ours => programs.complete_from(Programs::in_folders(&[built])),
            _ => programs,
        }
    }
}

/// Major and minor version that a program of Kubernetes tells.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    minor(&String::from_utf8_lossy(&output.stdout))
}

/// `(1, 36)` of `Kubernetes v1.36.4`.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix("Kubernetes v")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::home::Home;
    use crate::home::Temporary;

    /// A folder with programs that tell a version.
    fn folder(home: &Home, name: &str, programs: &[&str], version: &str) -> PathBuf {
        let folder = home.state().join(name);
        fs::create_dir(&folder).unwrap();
        for program in programs {
            let file = folder.join(program);
            fs::write(&file, format!("#!/bin/sh\necho Kubernetes {version}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            // A process that another test starts holds the file open for writing until it runs its own program.
            while Command::new(&file)
                .output()
                .is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy)
            {}
        }
        folder
    }

    fn sources(home: &Home) -> Sources {
        Sources { folders: Vec::new(), envtest: None, cache: home.state().join("cache"), build: false }
    }

    #[test]
    fn reads_the_environment() {
        let sources = Sources::of(|name| match name {
            "RINGFENCE_LAB_BIN" => Some("/one:/two".into()),
            "HOME" => Some("/home/me".into()),
            "RINGFENCE_LAB_BUILD" => Some("0".into()),
            _ => None,
        });
        let sources = sources.unwrap();
        assert_eq!(sources.folders, [Path::new("/one"), Path::new("/two")]);
        assert_eq!(sources.cache, Path::new("/home/me/.cache/ringfence-lab"));
        assert!(!sources.build && sources.envtest.is_none());
        let homeless = Sources::of(|name| (name == "KUBEBUILDER_ASSETS").then(|| "here".into())).unwrap();
        assert_eq!(homeless.envtest, Some(std::env::current_dir().unwrap().join("here")));
        assert!(homeless.cache.starts_with(home::root().unwrap()) && homeless.folders.is_empty());
    }

    #[test]
    fn three_programs_of_envtest_are_tier_1a() {
        let home = Temporary::new();
        let envtest = folder(&home, "envtest", &["etcd", "kube-apiserver", "kubectl"], "v1.36.0");
        let programs = Sources { envtest: Some(envtest), ..sources(&home) }.programs().unwrap();
        assert_eq!(programs.tier(), Some(Tier::Api));
        assert_eq!(programs.lacking(Tier::ControlPlane), ["kube-controller-manager", "kube-scheduler"]);
    }

    #[test]
    fn folders_of_the_user_come_before_envtest_and_name_what_they_lack() {
        let home = Temporary::new();
        let envtest = folder(&home, "envtest", &["etcd", "kube-apiserver", "kubectl"], "v1.36.0");
        let own = folder(&home, "own", &["etcd", "kubectl"], "v1.36.0");
        let both = Sources { folders: vec![own.clone()], envtest: Some(envtest.clone()), ..sources(&home) };
        let error = both.programs().unwrap_err().to_string();
        assert!(error.contains("kube-apiserver not found") && error.contains("RINGFENCE_LAB_BIN"), "{error}");
        let programs = Programs::in_folders(&[own.clone(), envtest.clone()]);
        assert_eq!(programs.get("etcd"), Some(own.join("etcd").as_path()));
        assert_eq!(programs.get("kube-apiserver"), Some(envtest.join("kube-apiserver").as_path()));
    }

    #[test]
    fn what_a_lab_runs_stays_when_the_cache_is_cleared() {
        let home = Temporary::new();
        let cache = folder(&home, "cached", &["etcd", "kubectl"], "v1.36.0");
        let programs = Programs::in_folders(std::slice::from_ref(&cache)).linked_into(&home.programs());
        fs::remove_dir_all(cache).unwrap();
        assert_eq!(version(programs.get("kubectl").unwrap()), Some((1, 36)));
        assert_eq!(programs.paths().count(), 2);
    }

    #[test]
    fn knows_the_minor_version_of_a_program() {
        let home = Temporary::new();
        let server = folder(&home, "old", &["kube-apiserver"], "v1.35.7").join("kube-apiserver");
        assert_eq!(version(&server), Some((1, 35)));
        assert_eq!(minor("Kubernetes v1.36.4\n"), Some((1, 36)));
        assert_eq!(minor("etcd Version: 3.6.8"), None);
    }
}
