//! The tree cut into tiles of 256 hashes (c2sp.org/tlog-tiles), as it is stored and mirrored.

use std::collections::BTreeMap;

use super::tree::{self, Hash, Node, Span};

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;
/// Levels of the tree in a tile.
const HEIGHT: u32 = 8;

/// Level and index of a tile.
pub type TileId = (u8, u64);

/// Tiles at hand.
#[derive(Clone, Debug, Default)]
pub struct Tiles(pub BTreeMap<TileId, Vec<Hash>>);

/// A tile that is needed and not at hand, or shorter than it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tile {} of level {} is missing or too short", .0.1, .0.0)]
pub struct MissingTile(pub TileId);

/// The tile that holds a node, and where its hashes lie in it.
fn place(node: Node) -> (TileId, std::ops::Range<usize>) {
    let within = node.level % HEIGHT;
    let first = node.index << within;
    let offset = (first % WIDTH) as usize;
    ((((node.level / HEIGHT) as u8), first / WIDTH), offset..offset + (1 << within))
}

/// The tiles from which the hashes of `spans` are computed.
pub fn needed(spans: &[Span]) -> Vec<TileId> {
    let mut ids: Vec<_> = spans.iter().flat_map(|span| span.nodes()).map(|node| place(node).0).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The tiles that grow when leaves are added to a tree of `size`: from them its root is computed too.
pub fn edge(size: u64) -> Vec<TileId> {
    let levels = (0..).map(|level| (level, size >> (HEIGHT * level)));
    levels
        .take_while(|(_, count)| *count > 0)
        .filter(|(_, count)| count % WIDTH != 0)
        .map(|(level, count)| (level as u8, count / WIDTH))
        .collect()
}

fn root_of(hashes: &[Hash]) -> Hash {
    let mut roots = tree::Roots::default();
    hashes.iter().for_each(|hash| roots.push(*hash));
    roots.root()
}

impl Tiles {
    fn node(&self, node: Node) -> Result<Hash, MissingTile> {
        let (id, range) = place(node);
        let hashes = self.0.get(&id).and_then(|tile| tile.get(range));
        hashes.map(root_of).ok_or(MissingTile(id))
    }

    /// The hash of a span whose tiles are at hand.
    pub fn hash(&self, span: Span) -> Result<Hash, MissingTile> {
        span.hash(|node| self.node(node))
    }

    /// The root of the tree of `size` leaves.
    pub fn root(&self, size: u64) -> Result<Hash, MissingTile> {
        self.hash(Span { from: 0, to: size })
    }

    /// Adds leaf hashes to the tree of `size`, whose [`edge`] is at hand; answers which tiles changed.
    pub fn append(&mut self, size: u64, leaves: &[Hash]) -> Vec<TileId> {
        let mut changed = Vec::new();
        for (at, leaf) in (size..).zip(leaves) {
            let (mut level, mut at, mut hash) = (0, at, *leaf);
            loop {
                let id = (level, at / WIDTH);
                let tile = self.0.entry(id).or_default();
                tile.push(hash);
                if changed.last() != Some(&id) {
                    changed.push(id);
                }
                if tile.len() < WIDTH as usize {
                    break;
                }
                (hash, at, level) = (root_of(tile), at / WIDTH, level + 1);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// Takes out the tiles that are full: they do not change any more, and nothing is computed from them any more. What
    /// stays is the [`edge`].
    pub fn take_full(&mut self) -> Tiles {
        Tiles(self.0.extract_if(.., |_, tile| tile.len() as u64 == WIDTH).collect())
    }
}

/// What a path below `tile/` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// `None`: the entries themselves.
    pub level: Option<u8>,
    pub index: u64,
    /// How many hashes or entries; 256 of a full tile.
    pub width: u64,
}

impl std::fmt::Display for TilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.level {
            Some(level) => write!(f, "{level}/")?,
            None => f.write_str("entries/")?,
        }
        let digits = format!("{:03}", self.index);
        let digits = format!("{}{digits}", "0".repeat((3 - digits.len() % 3) % 3));
        let groups = digits.len() / 3;
        for i in 0..groups {
            let mark = if i + 1 < groups { "x" } else { "" };
            write!(f, "{mark}{}{}", &digits[i * 3..i * 3 + 3], if mark.is_empty() { "" } else { "/" })?;
        }
        if self.width < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl std::str::FromStr for TilePath {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (path, width) = match text.split_once(".p/") {
            Some((path, width)) => (path, width.parse().map_err(|_| ())?),
            None => (text, WIDTH),
        };
        let (level, index) = path.split_once('/').ok_or(())?;
        let level = if level == "entries" { None } else { Some(level.parse().map_err(|_| ())?) };
        let digits: String = index.split('/').map(|group| group.trim_start_matches('x')).collect();
        let read = Self { level, index: digits.parse().map_err(|_| ())?, width };
        // One tile has one name.
        if read.to_string() == text && (1..=WIDTH).contains(&width) { Ok(read) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |level, index, width| TilePath { level, index, width }.to_string();
        assert_eq!(path(Some(0), 1_234_067, 256), "0/x001/x234/067");
        assert_eq!(path(Some(1), 0, 8), "1/000.p/8");
        assert_eq!(path(None, 67, 256), "entries/067");
        for wrong in ["", "0", "0/1", "0/x001", "0/000.p/0", "0/000.p/256", "0/0000", "a/000", "0/000.p/01"] {
            assert_eq!(wrong.parse::<TilePath>(), Err(()), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_path_is_read_back(level in proptest::option::of(0u8..6), index in 0u64..1 << 40, width in 1u64..=256) {
            let path = TilePath { level, index, width };
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9x/.pentris]{0,24}") {
            let _ = text.parse::<TilePath>();
        }

        /// However the leaves are cut into batches, the tree is the same and only its edge is needed.
        #[test]
        fn a_tree_grown_in_batches_is_the_tree(batches in proptest::collection::vec(0usize..400, 1..6), at in any::<u64>()) {
            let mut stored = Tiles::default();
            let mut roots = tree::Roots::default();
            let mut leaves = Vec::new();
            for batch in batches {
                let size = leaves.len() as u64;
                let mut tiles = Tiles(edge(size).into_iter().map(|id| (id, stored.0[&id].clone())).collect());
                prop_assert_eq!(tiles.root(size), Ok(roots.root()));
                let new: Vec<Hash> = (0..batch).map(|i| tree::leaf_hash(&(size + i as u64).to_be_bytes())).collect();
                for id in tiles.append(size, &new) {
                    stored.0.insert(id, tiles.0[&id].clone());
                }
                new.iter().for_each(|leaf| roots.push(*leaf));
                leaves.extend(new);
                let size = leaves.len() as u64;
                prop_assert_eq!(tiles.root(size), Ok(roots.root()));
                let full = tiles.take_full();
                prop_assert!(full.0.values().all(|tile| tile.len() as u64 == WIDTH));
                prop_assert_eq!(tiles.0.into_keys().collect::<Vec<_>>(), edge(size));
                if size > 0 {
                    let spans = tree::inclusion(at % size, size);
                    let needed = Tiles(needed(&spans).into_iter().map(|id| (id, stored.0[&id].clone())).collect());
                    let proof: Vec<Hash> = spans.iter().map(|span| needed.hash(*span).unwrap()).collect();
                    prop_assert!(tree::includes(leaves[(at % size) as usize], at % size, size, &proof, &roots.root()));
                }
            }
        }
    }
}
