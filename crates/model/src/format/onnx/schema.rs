//! Room `model`, format `onnx`: the messages of onnx.proto (IR version 13, as in PyPI's onnx, which a test compares) with
//! the numbers of their fields. A field that is not here is unknown: readers pass over it, and nobody says what it holds.

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Model,
    Annotation,
    Attribute,
    Configuration,
    Dimension,
    Entry,
    /// An entry of `external_data`.
    External,
    Function,
    Graph,
    Groups,
    Map,
    Node,
    NodeConfiguration,
    Opaque,
    Operators,
    Segment,
    Sequence,
    Shape,
    ShardedDimension,
    Sharding,
    SimpleSharding,
    Sparse,
    Tensor,
    TensorType,
    Training,
    Type,
    ValueInfo,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A varint.
    Int,
    /// Varints, each in a field of its own or all in one.
    Ints,
    /// Four bytes.
    Fixed32,
    /// Numbers of four bytes, likewise.
    Fixed32s,
    /// Numbers of eight bytes, likewise.
    Fixed64s,
    Text,
    /// Data, not read.
    Bytes,
    Inner(Message),
}

use Kind::Bytes;
use Kind::Fixed32;
use Kind::Fixed32s;
use Kind::Fixed64s;
use Kind::Inner;
use Kind::Int;
use Kind::Ints;
use Kind::Text;

impl Message {
    /// What the field of this number holds.
    pub(super) fn field(self, number: u64) -> Option<Kind> {
        self.fields().iter().find(|(each, _)| *each == number).map(|(_, kind)| *kind)
    }

    #[expect(clippy::match_same_arms, reason = "a table, message by message")]
    fn fields(self) -> &'static [(u64, Kind)] {
        match self {
            Self::Model => &[
                (1, Int),
                (2, Text),
                (3, Text),
                (4, Text),
                (5, Int),
                (6, Text),
                (7, Inner(Self::Graph)),
                (8, Inner(Self::Operators)),
                (14, Inner(Self::Entry)),
                (20, Inner(Self::Training)),
                (25, Inner(Self::Function)),
                (26, Inner(Self::Configuration)),
            ],
            Self::Annotation => &[(1, Text), (2, Inner(Self::Entry))],
            Self::Attribute => &[
                (1, Text),
                (2, Fixed32),
                (3, Int),
                (4, Text),
                (5, Inner(Self::Tensor)),
                (6, Inner(Self::Graph)),
                (7, Fixed32s),
                (8, Ints),
                (9, Text),
                (10, Inner(Self::Tensor)),
                (11, Inner(Self::Graph)),
                (13, Text),
                (14, Inner(Self::Type)),
                (15, Inner(Self::Type)),
                (20, Int),
                (21, Text),
                (22, Inner(Self::Sparse)),
                (23, Inner(Self::Sparse)),
            ],
            Self::Configuration => &[(1, Text), (2, Int), (3, Text)],
            Self::Dimension => &[(1, Int), (2, Text), (3, Text)],
            Self::Entry => &[(1, Text), (2, Text)],
            Self::External => &[(1, Text), (2, Text)],
            Self::Function => &[
                (1, Text),
                (4, Text),
                (5, Text),
                (6, Text),
                (7, Inner(Self::Node)),
                (8, Text),
                (9, Inner(Self::Operators)),
                (10, Text),
                (11, Inner(Self::Attribute)),
                (12, Inner(Self::ValueInfo)),
                (13, Text),
                (14, Inner(Self::Entry)),
            ],
            Self::Graph => &[
                (1, Inner(Self::Node)),
                (2, Text),
                (5, Inner(Self::Tensor)),
                (10, Text),
                (11, Inner(Self::ValueInfo)),
                (12, Inner(Self::ValueInfo)),
                (13, Inner(Self::ValueInfo)),
                (14, Inner(Self::Annotation)),
                (15, Inner(Self::Sparse)),
                (16, Inner(Self::Entry)),
            ],
            Self::Groups => &[(1, Int), (2, Ints)],
            Self::Map => &[(1, Int), (2, Inner(Self::Type))],
            Self::Node => &[
                (1, Text),
                (2, Text),
                (3, Text),
                (4, Text),
                (5, Inner(Self::Attribute)),
                (6, Text),
                (7, Text),
                (8, Text),
                (9, Inner(Self::Entry)),
                (10, Inner(Self::NodeConfiguration)),
            ],
            Self::NodeConfiguration => &[(1, Text), (2, Inner(Self::Sharding)), (3, Int)],
            Self::Opaque => &[(1, Text), (2, Text)],
            Self::Operators => &[(1, Text), (2, Int)],
            Self::Segment => &[(1, Int), (2, Int)],
            Self::Sequence => &[(1, Inner(Self::Type))],
            Self::Shape => &[(1, Inner(Self::Dimension))],
            Self::ShardedDimension => &[(1, Int), (2, Inner(Self::SimpleSharding))],
            Self::Sharding => {
                &[(1, Text), (2, Ints), (3, Inner(Self::Groups)), (4, Inner(Self::ShardedDimension))]
            }
            Self::SimpleSharding => &[(1, Int), (2, Text), (3, Int)],
            Self::Sparse => &[(1, Inner(Self::Tensor)), (2, Inner(Self::Tensor)), (3, Ints)],
            Self::Tensor => &[
                (1, Ints),
                (2, Int),
                (3, Inner(Self::Segment)),
                (4, Fixed32s),
                (5, Ints),
                (6, Text),
                (7, Ints),
                (8, Text),
                (9, Bytes),
                (10, Fixed64s),
                (11, Ints),
                (12, Text),
                (13, Inner(Self::External)),
                (14, Int),
                (16, Inner(Self::Entry)),
            ],
            Self::TensorType => &[(1, Int), (2, Inner(Self::Shape))],
            Self::Training => &[
                (1, Inner(Self::Graph)),
                (2, Inner(Self::Graph)),
                (3, Inner(Self::Entry)),
                (4, Inner(Self::Entry)),
            ],
            Self::Type => &[
                (1, Inner(Self::TensorType)),
                (4, Inner(Self::Sequence)),
                (5, Inner(Self::Map)),
                (6, Text),
                (7, Inner(Self::Opaque)),
                (8, Inner(Self::TensorType)),
                (9, Inner(Self::Sequence)),
            ],
            Self::ValueInfo => &[(1, Text), (2, Inner(Self::Type)), (3, Text), (4, Inner(Self::Entry))],
        }
    }
}

/// The fields of the main messages, as the test's peer prints them.
#[cfg(test)]
pub(super) fn told() -> String {
    let main = [
        Message::Model,
        Message::Graph,
        Message::Node,
        Message::Attribute,
        Message::Tensor,
        Message::Function,
    ];
    let kind = |kind: Kind| match kind {
        Inner(_) => "Inner".to_owned(),
        Bytes => "Text".to_owned(),
        other => format!("{other:?}"),
    };
    let fields = main.iter().flat_map(|message| message.fields());
    fields.map(|(number, each)| format!("{number}:{}", kind(*each))).collect::<Vec<_>>().join(" ")
}
