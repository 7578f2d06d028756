//! Files of version 1 open for ever: every kind of section, every type of number, as they were written then.

use std::{
    fs,
    path::{Path, PathBuf},
};

use embmap::{Dtype, RowSelection, Store, format::Kind};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
}

fn golden() -> Vec<(String, Store)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(data())
        .expect("the folder of old files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "embmap"))
        .collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.into_iter().map(|path| (name(&path), Store::open(&path).expect("a store"))).collect()
}

/// Words and numbers of the text that a file was made from.
fn text(name: &str) -> Vec<(String, Vec<f32>)> {
    let stem = name.split('.').next().expect("a stem");
    let text = fs::read_to_string(data().join(stem).with_extension("txt")).expect("the text beside it");
    text.lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let word = fields.next().expect("a word").to_string();
            (word, fields.map(|field| field.parse().expect("a number")).collect())
        })
        .collect()
}

#[test]
fn every_file_of_version_1_is_whole() {
    for (name, store) in golden() {
        assert_eq!(store.verify(|| true), Ok(true), "{name}");
        let (words, index) = (store.words(), store.index());
        for row in 0..store.len() {
            let word = words.get_str(row).expect("a word");
            assert_eq!(index.find(word.as_bytes()), Ok(Some(row as u32)), "{name}: {word}");
        }
    }
}

#[test]
fn every_kind_of_section_and_every_type_is_in_one_of_them() {
    let stores = golden();
    for kind in Kind::ALL {
        assert!(stores.iter().any(|(_, store)| store.header().section(kind).offset != 0), "{kind:?}");
    }
    for dtype in Dtype::ALL {
        assert!(stores.iter().any(|(_, store)| store.header().dtype == dtype), "{dtype:?}");
    }
}

#[test]
fn rows_are_those_of_the_text() {
    for (name, store) in golden().into_iter().filter(|(name, _)| name.starts_with("v1-small")) {
        // float16, bfloat16 and int8 are off by what docs/format.md says, and no more.
        let off = if store.header().dtype == Dtype::Float32 { 0.0 } else { 0.004 };
        for (word, expected) in text(&name) {
            let row = store.index().find(word.as_bytes()).expect("an index").expect("a word");
            let mut found = vec![0f32; store.dim()];
            store.gather(&[i64::from(row)], &mut found).expect("a row");
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= off), "{name}: {word}");
        }
    }
}

#[test]
fn the_screening_copies_lead_to_the_nearest_rows() {
    let stores = golden();
    let of = |name: &str| &stores.iter().find(|(found, _)| found == name).expect(name).1;
    let plain = of("v1-small.embmap");
    let query = &plain.vectors().expect("float32")[..plain.dim()];
    let ids = |store: &Store| -> Vec<u32> {
        let found = store.nearest(query, 3, RowSelection::First(store.len()), || true).expect("neighbours");
        found[0].iter().map(|neighbor| neighbor.id).collect()
    };
    for (name, kind) in [("optional-v1-screen.embmap", Kind::Codes), ("optional-v1-planes.embmap", Kind::Planes)] {
        assert_ne!(of(name).header().section(kind).length, 0);
        assert_eq!(ids(of(name)), ids(plain));
    }
}

/// fastText's, and floret's.
const NGRAMS: [&str; 2] = ["optional-v1-subwords", "optional-v1-floret"];

#[test]
fn the_ngrams_of_unseen_words_give_the_vectors_that_they_gave() {
    for (name, store) in golden().into_iter().filter(|(name, _)| NGRAMS.iter().any(|start| name.starts_with(start))) {
        let exact = store.header().dtype == Dtype::Float32;
        let subwords = store.subwords().expect("a section").expect("n-grams");
        for (word, expected) in text(&name) {
            let mut found = vec![0f32; store.dim()];
            subwords.vectors(&[word.as_bytes()], &mut found).expect("a vector");
            let same = |(a, b): (&f32, &f32)| if exact { a.to_bits() == b.to_bits() } else { (a - b).abs() < 0.02 };
            assert!(found.iter().zip(&expected).all(same), "{name}: {word}: {found:?}");
        }
    }
}
