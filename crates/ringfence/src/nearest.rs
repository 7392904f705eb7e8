//! A word that is not known -> the known one that was meant; the same as for names of a kubeconfig.

pub(crate) use ringfence_inventory::nearest;
