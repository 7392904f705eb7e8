//! Which resource names, device classes and taints are those of accelerators, and how many are meant. The names stand in
//! `data/accelerators.yaml`.

use std::sync::OnceLock;

use crate::data;
use crate::yaml::Scalar;
use crate::yaml::Value;

/// Whether a resource name (`nvidia.com/gpu`) is an accelerator. RDMA devices are not.
pub fn is_accelerator(resource: &str) -> bool {
    table().resources.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => resource.starts_with(prefix),
        None => resource == *known,
    })
}

/// Whether a device class name or a CEL selector speaks of an accelerator's driver.
pub fn names_accelerator_driver(text: &str) -> bool {
    table().drivers.iter().any(|driver| text.contains(driver))
}

/// Keys of the taints that keep pods off accelerators, by custom of vendors and clouds.
pub fn taint_keys() -> &'static [&'static str] {
    &table().taints
}

struct Table {
    resources: Vec<&'static str>,
    drivers: Vec<&'static str>,
    taints: Vec<&'static str>,
}

const DATA: &str = include_str!("../../../data/accelerators.yaml");

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let texts = |key| data::rows(DATA, key).filter_map(Value::text).collect();
    TABLE.get_or_init(|| Table {
        resources: texts("resources"),
        drivers: texts("drivers"),
        taints: texts("taints"),
    })
}

/// Whole devices of a quantity; extended resources are integers in any spelling (`1`, `"8"`, `1k`, `1000m`, `1e0`). One
/// that cannot be read (`${gpus}` of a generator) asks for one device at least.
pub fn count(quantity: Value<'_>) -> u32 {
    let whole = match quantity.scalar() {
        None | Some(Scalar::Null) => return 0,
        Some(Scalar::Int(value)) => u32::try_from(value.max(0)).ok(),
        Some(_) => bytes(quantity).and_then(|value| u32::try_from(value).ok()),
    };
    whole.unwrap_or(1)
}

/// Bytes of a memory quantity: `512Mi`, `1.5Gi`, `64G`, `1e9`, plain bytes. None when it is not one.
pub fn bytes(quantity: Value<'_>) -> Option<u128> {
    let text = quantity.text()?;
    let split = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let scale: f64 = match suffix {
        "" => 1.0,
        "m" => 0.001,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        "Ei" => 1_152_921_504_606_846_976.0,
        exponent if exponent.starts_with(['e', 'E']) => return text.parse().ok().and_then(whole),
        _ => return None,
    };
    whole(number.parse::<f64>().ok()? * scale)
}

fn whole(value: f64) -> Option<u128> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked on the same line"
    )]
    (value.is_finite() && (0.0..1e30).contains(&value)).then_some(value as u128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_yaml;

    #[test]
    fn every_row_of_the_data_file_is_read() {
        let Table { resources, drivers, taints } = table();
        let rows = resources.len() + drivers.len() + taints.len();
        assert_eq!(rows, DATA.matches("\n  - ").count());
        assert!(names_accelerator_driver("device.driver == 'gpu.nvidia.com'"));
        assert!(!names_accelerator_driver("device.driver == 'dra.net'"));
    }

    #[test]
    fn knows_accelerators_and_leaves_fabric_out() {
        for name in ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "huawei.com/Ascend910", "google.com/tpu"] {
            assert!(is_accelerator(name), "{name}");
        }
        for name in ["cpu", "rdma/hca", "nvidia.com/sriov-nic", "nvidia.com/gpux", "smarter-devices/fuse"] {
            assert!(!is_accelerator(name), "{name}");
        }
    }

    #[test]
    fn quantities_are_read_as_the_api_reads_them() {
        for (text, expected) in [
            ("64Mi", Some(67_108_864)),
            ("1.5Gi", Some(1_610_612_736)),
            ("'2G'", Some(2_000_000_000)),
            ("1024", Some(1024)),
            ("1e3", Some(1000)),
            ("1000m", Some(1)),
            ("lots", None),
            ("5X", None),
            ("-1Gi", None),
        ] {
            let tree = read_yaml(text).unwrap().unwrap();
            assert_eq!(bytes(tree.root()), expected, "{text}");
        }
        for (text, expected) in [
            ("8", 8),
            ("'2'", 2),
            ("0", 0),
            ("-1", 0),
            ("1k", 1000),
            ("1000m", 1),
            ("1e0", 1),
            ("'1.0'", 1),
            ("''", 1),
            ("x", 1),
        ] {
            let tree = read_yaml(text).unwrap().unwrap();
            assert_eq!(count(tree.root()), expected, "{text}");
        }
    }
}
