//! The files of a model's folder: which of them hold the weights and which the vocabulary.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::json::Json;
use crate::error::{Error, ParseError, Result};

const MODULES: &str = "modules.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Other files that say of a folder that it is a model's.
const MARKS: [&str; 4] = ["config.json", "tokenizer.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// Vocabularies that only SentencePiece reads.
const SENTENCEPIECE: [&str; 3] = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"];

/// A model's folder.
pub(super) struct Folder {
    path: PathBuf,
    modules: Option<PathBuf>,
}

/// Where the tensors are.
pub(super) enum Weights {
    /// All in one file.
    Whole(PathBuf),
    /// In several, by the index of which each tensor is in one.
    Shards { index: PathBuf, shards: BTreeMap<String, PathBuf> },
}

/// Where the tokens are.
#[derive(Debug, Clone)]
pub(super) enum Tokens {
    /// `tokenizer.json`, which has them all.
    Tokenizer(PathBuf),
    /// `vocab.txt`, a token a line, and those that were added later.
    Lines(PathBuf, Option<PathBuf>),
    /// `vocab.json`, token -> id, and those that were added later.
    Ids(PathBuf, Option<PathBuf>),
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    idx: u64,
    path: String,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Folder {
    /// Whether the folder looks like a model's.
    pub(super) fn is_model(path: &Path) -> bool {
        path.is_dir() && [MODULES, WEIGHTS, INDEX].iter().chain(&MARKS).any(|name| path.join(name).is_file())
    }

    /// The folder at `path`, or that of the first module where `modules.json` tells of modules.
    pub(super) fn open(path: &Path) -> Result<Folder> {
        if !path.metadata().map_err(Error::io(path))?.is_dir() {
            return Err(Error::io(path)(io::ErrorKind::NotADirectory.into()));
        }
        let modules = path.join(MODULES);
        if !modules.is_file() {
            return Ok(Folder { path: path.to_path_buf(), modules: None });
        }
        let json = Json::read(&modules)?;
        let mut all: Vec<Module> = json.parse()?;
        all.sort_by_key(|module| module.idx);
        let first = all.first().map_or("", |module| &module.path);
        if !Path::new(first).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            let reason = format!("the path of the first module, {first:?}, leads out of the folder");
            return Err(json.refuse("", 0, reason));
        }
        Ok(Folder { path: path.join(first), modules: Some(modules) })
    }

    /// Where the tensors are.
    pub(super) fn weights(&self) -> Result<Weights> {
        let (whole, index) = (self.path.join(WEIGHTS), self.path.join(INDEX));
        if whole.is_file() || !index.is_file() {
            let pickle = self.path.join("pytorch_model.bin");
            if !whole.exists() && pickle.exists() {
                let reason = "a pickle may run any code and is not read: write model.safetensors with \
                              AutoModel.from_pretrained(folder).save_pretrained(folder)";
                return Err(refuse(&pickle, reason.into()));
            }
            return Ok(Weights::Whole(whole));
        }
        let json = Json::read(&index)?;
        let Index { weight_map } = json.parse()?;
        let shard_of = |(name, shard): (String, String)| {
            // A shard lies beside its index.
            if Path::new(&shard).file_name() != Some(shard.as_ref()) {
                let reason = format!("the tensor {name:?} should be in {shard:?}, which is not the name of a file");
                return Err(json.refuse("", 0, reason));
            }
            Ok((name, self.path.join(shard)))
        };
        let shards = weight_map.into_iter().map(shard_of).collect::<Result<_>>()?;
        Ok(Weights::Shards { index, shards })
    }

    /// Where the tokens are: as transformers does, in `tokenizer.json` rather than anywhere else.
    pub(super) fn tokens(&self) -> Result<Tokens> {
        let file = |name: &str| Some(self.path.join(name)).filter(|path| path.is_file());
        let added = file("added_tokens.json");
        file("tokenizer.json")
            .map(Tokens::Tokenizer)
            .or_else(|| file("vocab.txt").map(|path| Tokens::Lines(path, added.clone())))
            .or_else(|| file("vocab.json").map(|path| Tokens::Ids(path, added)))
            .ok_or_else(|| {
                let found = SENTENCEPIECE.iter().find_map(|name| file(name));
                let remedy = "write one with AutoTokenizer.from_pretrained(folder).save_pretrained(folder)";
                let reason = match found {
                    Some(_) => format!("a SentencePiece model is not read, only tokenizer.json: {remedy}"),
                    None => format!(
                        "no vocabulary beside the weights: expected tokenizer.json, vocab.txt or vocab.json; {remedy}"
                    ),
                };
                refuse(found.as_ref().unwrap_or(&self.path), reason)
            })
    }

    /// What says where the model is, where something does.
    pub(super) fn modules(&self) -> Option<&Path> {
        self.modules.as_deref()
    }
}

fn refuse(path: &Path, reason: String) -> Error {
    ParseError::of(path, reason).into()
}
