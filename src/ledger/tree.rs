//! The Merkle tree of RFC 9162 §2.1: hashes, which subtrees a proof is made of, and how one is checked.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf (§2.1.1).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of an inner node (§2.1.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The hash of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The leaves `from..to` as a tree of their own. In proofs `from` is always a multiple of the largest
/// power of two that the span holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

/// A full subtree: the leaves `index << level .. (index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub level: u32,
    pub index: u64,
}

impl Span {
    /// The span's full subtrees, left to right; its hash is theirs, joined from the right.
    pub fn nodes(self) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut at = self.from;
        while at < self.to {
            let fits = 63 - (self.to - at).leading_zeros();
            let level = if at == 0 { fits } else { fits.min(at.trailing_zeros()) };
            nodes.push(Node { level, index: at >> level });
            at += 1 << level;
        }
        nodes
    }

    /// The span's hash, when `hash` knows its full subtrees.
    pub fn hash<E>(self, mut hash: impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
        let mut joined: Option<Hash> = None;
        for node in self.nodes().into_iter().rev() {
            let left = hash(node)?;
            joined = Some(joined.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(joined.unwrap_or_else(empty_root))
    }
}

/// Where a tree of `n > 1` leaves divides: the largest power of two below `n`.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The subtrees whose hashes prove that leaf `index` is in the tree of `size` leaves (§2.1.3.1).
pub fn inclusion(index: u64, size: u64) -> Vec<Span> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(Span { from: middle, to });
            to = middle;
        } else {
            proof.push(Span { from, to: middle });
            from = middle;
        }
    }
    proof.reverse();
    proof
}

/// The subtrees whose hashes prove that the tree of `new` leaves begins with that of `old`, both above 0
/// (§2.1.4.1).
pub fn consistency(old: u64, new: u64) -> Vec<Span> {
    let (mut from, mut to) = (0, new);
    let mut whole = true;
    let mut proof = Vec::new();
    while old < to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(Span { from: middle, to });
            to = middle;
        } else {
            proof.push(Span { from, to: middle });
            from = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(Span { from, to });
    }
    proof.reverse();
    proof
}

/// Whether `proof` shows `leaf` at `index` of the tree with `root` (§2.1.3.2).
pub fn includes(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree with `new_root` begins with the one with `old_root` (§2.1.4.2).
pub fn extends(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    let mut path = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Computes a root leaf by leaf in memory that grows with the tree's height alone.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    size: u64,
    /// Full subtrees, the largest first: one for each bit of `size`.
    peaks: Vec<Hash>,
}

impl Roots {
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            hash = node_hash(&self.peaks.pop().expect("a peak for each bit"), &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn root(&self) -> Hash {
        let joined = self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The leaves and roots that implementations of RFC 6962 have compared since Certificate Transparency.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn known() -> Vec<Hash> {
        LEAVES.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect()
    }

    /// MTH of §2.1.1, word for word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let k = (1..).map(|e| 1usize << e).take_while(|k| *k < leaves.len()).last().unwrap_or(1);
                node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    fn proof(spans: &[Span], leaves: &[Hash]) -> Vec<Hash> {
        spans.iter().map(|span| mth(&leaves[span.from as usize..span.to as usize])).collect()
    }

    fn made(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_rfc_6962() {
        let leaves = known();
        let mut roots = Roots::default();
        assert_eq!(
            hex::encode(roots.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (i, expected) in ROOTS.iter().enumerate() {
            roots.push(leaves[i]);
            assert_eq!(hex::encode(roots.root()), *expected);
            assert_eq!(hex::encode(mth(&leaves[..=i])), *expected);
        }
    }

    #[test]
    fn proofs_are_those_of_rfc_6962() {
        let leaves = known();
        let hexed = |spans: Vec<Span>| proof(&spans, &leaves).iter().map(hex::encode).collect::<Vec<_>>();
        // Leaf 6 of 8 in Certificate Transparency's counting from 1, and the trees of 6 and 8 leaves.
        assert_eq!(
            hexed(inclusion(5, 8)),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            hexed(consistency(6, 8)),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_no_other() {
        let leaves = made(33);
        for size in 1..=33u64 {
            let root = mth(&leaves[..size as usize]);
            for index in 0..size {
                let path = proof(&inclusion(index, size), &leaves);
                assert!(includes(leaves[index as usize], index, size, &path, &root));
                assert!(!includes(leaves[index as usize], index + 1, size, &path, &root));
                assert!(!includes(leaf_hash(b"other"), index, size, &path, &root));
                if let Some((_, short)) = path.split_last() {
                    assert!(!includes(leaves[index as usize], index, size, short, &root));
                }
            }
            for old in 1..=size {
                let old_root = mth(&leaves[..old as usize]);
                let path = proof(&consistency(old, size), &leaves);
                assert!(extends(old, &old_root, size, &root, &path), "{old} {size}");
                assert!(!extends(old, &leaf_hash(b"other"), size, &root, &path));
                assert!(old == size || !extends(old, &old_root, size, &leaf_hash(b"other"), &path));
            }
        }
    }

    proptest! {
        #[test]
        fn a_span_is_its_full_subtrees(size in 1u64..700, index in 0u64..700) {
            let leaves = made(size as usize);
            let full = |node: Node| -> Result<Hash, ()> {
                let (from, to) = (node.index << node.level, (node.index + 1) << node.level);
                Ok(mth(&leaves[from as usize..to as usize]))
            };
            for span in inclusion(index % size, size) {
                prop_assert_eq!(span.hash(full), Ok(mth(&leaves[span.from as usize..span.to as usize])));
            }
            let mut roots = Roots::default();
            leaves.iter().for_each(|leaf| roots.push(*leaf));
            prop_assert_eq!(Span { from: 0, to: size }.hash(full), Ok(roots.root()));
        }
    }
}
