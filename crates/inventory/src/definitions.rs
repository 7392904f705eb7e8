//! Definitions of custom kinds among the files -> schemas, for kinds that turned up in the set and that no row of the
//! table answers for. They hold most of the bytes of an operator's repository, so the first reading passes them over
//! and remembers where they stand; only those of such a kind are read after all.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use ringfence_finding::Blind;
use ringfence_finding::Location;
use ringfence_finding::Reason;

use crate::document::place;
use crate::object::Object;
use crate::peek::Peek;
use crate::peek::peek;
use crate::pod;
use crate::pod::KindSchema;
use crate::pod::Schemas;
use crate::reader;
use crate::source::load;
use crate::yaml::read_yaml;

/// A definition that was passed over.
#[derive(Debug)]
pub(crate) struct Spot {
    /// Number of the document in its file, from 0.
    pub(crate) document: u32,
    /// Line of its first byte, from 1.
    pub(crate) first_line: u32,
    /// Bytes of the file's text.
    pub(crate) range: Range<usize>,
    /// API group, where a glance told.
    pub(crate) group: Option<Box<str>>,
}

/// Bytes of a file, to be had again.
#[derive(Debug)]
pub(crate) enum Again {
    /// A regular file.
    File(PathBuf),
    /// What can be read once only: standard input, a pipe.
    Bytes(Vec<u8>),
}

/// All definitions that were passed over.
#[derive(Debug, Default)]
pub(crate) struct Definitions(Vec<(Arc<str>, Again, Vec<Spot>)>);

/// What the definitions told.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) schemas: Schemas,
    pub(crate) blind: Vec<Blind>,
}

impl Definitions {
    pub(crate) fn add(&mut self, file: Arc<str>, again: Again, spots: Vec<Spot>) {
        self.0.push((file, again, spots));
    }

    /// Schemas of the kinds among `objects` that need one. `limit`: bytes of the largest file that is read.
    pub(crate) fn learn(self, objects: &[Object], limit: u64) -> Learned {
        let read: Vec<&Object> = objects
            .iter()
            .filter(|object| object.is("apiextensions.k8s.io", "CustomResourceDefinition"))
            .collect();
        if self.0.is_empty() && read.is_empty() {
            return Learned::default();
        }
        let wanted = self.wanted(objects, &read);
        if wanted.is_empty() {
            return Learned::default();
        }
        let of_objects = read.into_iter().filter_map(|object| {
            let kind = KindSchema::from_crd(object.body())?;
            Some((kind, object.location_of(object.body().range())))
        });
        let mut learned = Learned::default();
        let mut kinds: Vec<(KindSchema, Location)> = of_objects.collect();
        let passed: Vec<Told> = self
            .0
            .into_par_iter()
            .map(|(file, again, spots)| {
                panic::catch_unwind(|| file_of(&file, again, &spots, &wanted, limit))
                    .unwrap_or_else(|_| Told::lost(&file, &spots))
            })
            .collect();
        for told in passed {
            kinds.extend(told.kinds);
            learned.blind.extend(told.blind);
        }
        kinds.retain(|(kind, _)| wanted.contains(&(&*kind.group, &*kind.kind)));
        for (kind, location) in kinds {
            learned.blind.extend(kind.gaps.iter().map(|gap| {
                let blind = Blind::new(gap.reason, gap.message.as_str());
                blind.at(location.clone())
            }));
            learned.schemas.add(kind);
        }
        learned
    }

    /// Groups and kinds of objects that the table does not answer for, of groups that some definition may be of.
    fn wanted<'o>(&self, objects: &'o [Object], read: &[&Object]) -> BTreeSet<(&'o str, &'o str)> {
        let passed = self.0.iter().flat_map(|(_, _, spots)| spots);
        let told = read.iter().map(|object| object.body().at(&["spec", "group"])?.text());
        let groups: BTreeSet<Option<&str>> = passed.map(|spot| spot.group.as_deref()).chain(told).collect();
        let mut wanted = BTreeSet::new();
        for object in objects {
            let kind = (object.group(), &*object.kind);
            let is_defined = groups.contains(&Some(kind.0)) || groups.contains(&None);
            if is_defined && !wanted.contains(&kind) && !pod::is_answered_by_the_table(object) {
                wanted.insert(kind);
            }
        }
        wanted
    }
}

/// What the definitions of one file told.
#[derive(Default)]
struct Told {
    kinds: Vec<(KindSchema, Location)>,
    blind: Vec<Blind>,
}

impl Told {
    /// None of the definitions could be had.
    fn nothing(file: &Arc<str>, spot: &Spot, blind: Blind) -> Self {
        let at = place(file, spot.document, "", spot.range.start, spot.first_line, 0..0);
        Self { kinds: Vec::new(), blind: vec![blind.at(at)] }
    }

    fn lost(file: &Arc<str>, spots: &[Spot]) -> Self {
        let blind = Blind::new(Reason::Internal, "the walk through a definition failed on this file");
        let blind = blind.mend("report it with the file");
        spots.first().map_or_else(Self::default, |spot| Self::nothing(file, spot, blind))
    }
}

/// Reads the definitions of one file that may be of a wanted kind.
fn file_of(
    file: &Arc<str>,
    again: Again,
    spots: &[Spot],
    wanted: &BTreeSet<(&str, &str)>,
    limit: u64,
) -> Told {
    let may_be = |spot: &Spot| {
        wanted.iter().any(|(group, _)| spot.group.as_deref().is_none_or(|known| known == *group))
    };
    let Some(first) = spots.iter().find(|spot| may_be(spot)) else { return Told::default() };
    let bytes = match again {
        Again::Bytes(bytes) => Ok(bytes),
        Again::File(path) => load(&path, limit),
    };
    let text = bytes.and_then(|bytes| match reader::decode(&bytes) {
        Ok(text) => Ok(text.into_owned()),
        Err((_, blind)) => Err(blind),
    });
    let text = match text {
        Ok(text) => text,
        Err(blind) => return Told::nothing(file, first, *blind),
    };
    let mut told = Told::default();
    for spot in spots.iter().filter(|spot| may_be(spot)) {
        let part = text.get(spot.range.clone()).unwrap_or("");
        let at = |at: usize| place(file, spot.document, part, spot.range.start, spot.first_line, at..at);
        if peek(part) != Peek::Schema {
            let blind = Blind::new(Reason::NoAccess, "the file changed while it was read");
            told.blind.push(blind.scan("scan again").at(at(0)));
            continue;
        }
        // Most definitions of a group are of other kinds; a kind is written out in its own, unless an escape or a tag
        // spells it.
        if !wanted.iter().any(|(_, kind)| part.contains(kind)) && !part.contains(['\\', '!']) {
            continue;
        }
        match read_yaml(part.trim_start_matches('\u{feff}')) {
            Ok(tree) => {
                let kind = tree.as_ref().and_then(|tree| KindSchema::from_crd(tree.root()));
                told.kinds.extend(kind.map(|kind| (kind, at(0))));
            }
            Err(error) => {
                told.blind.push(Blind::new(error.reason(), error.to_string()).at(at(error.at())));
            }
        }
    }
    told
}
