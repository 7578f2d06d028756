//! Which tensor of a model holds a row for each token: found by its name, or named by the caller.

use std::path::{Path, PathBuf};

use super::{
    folder::Weights,
    safetensors::{Header, Tensor},
};
use crate::error::{Error, ParseError, Result};

/// Tensors that an error lists.
const SHOWN: usize = 20;
/// What the models call it, behind any prefix: BERT and its kin, XLNet, ModernBERT, Llama and its kin, GPT-NeoX, GPT-2, CLIP.
const BEHIND_A_PREFIX: [&str; 7] = [
    "word_embeddings.weight",
    "word_embedding.weight",
    "tok_embeddings.weight",
    "embed_tokens.weight",
    "embed_in.weight",
    "wte.weight",
    "token_embedding.weight",
];
/// T5's and BART's, which encoder and decoder share: their own copies of it, where there are any, are passed over.
const SHARED: &str = "shared.weight";
/// model2vec's, and the one of sentence-transformers' `StaticEmbedding`.
pub(super) const MODEL2VEC: &str = "embeddings";
const STATIC: &str = "embedding.weight";

impl Weights {
    /// The files whose headers must be read to choose.
    pub(super) fn files(&self, member: Option<&str>) -> Result<Vec<PathBuf>> {
        match self {
            Weights::Whole(path) => Ok(vec![path.clone()]),
            Weights::Shards { index, shards } => {
                let names = fitting(shards.keys().map(String::as_str), member)
                    .map_err(|list| refuse(index, format!("{}: {list}", none(member))))?;
                let mut files: Vec<PathBuf> = names.iter().map(|name| shards[*name].clone()).collect();
                files.sort();
                files.dedup();
                Ok(files)
            }
        }
    }

    /// The tensor of a vocabulary that needs so many `rows`, with the header it is from.
    pub(super) fn choose(&self, member: Option<&str>, rows: u64) -> Result<(Header, Tensor)> {
        let mut headers = self.files(member)?.iter().map(|path| Header::read(path)).collect::<Result<Vec<_>>>()?;
        let (listed, names) = match self {
            Weights::Whole(path) => (path, fitting(headers.iter().flat_map(Header::names), member)),
            Weights::Shards { index, shards } => (index, fitting(shards.keys().map(String::as_str), member)),
        };
        let names = names.map_err(|list| refuse(listed, format!("{}: {list}", none(member))))?;
        let mut tensors = Vec::new();
        for (i, header) in headers.iter().enumerate() {
            for name in &names {
                tensors.extend(header.tensor(name)?.map(|tensor| (tensor, i)));
            }
        }
        let fits = |(tensor, _): &(Tensor, usize)| tensor.shape.len() == 2 && tensor.shape[0] >= rows;
        if tensors.len() > 1 && tensors.iter().any(fits) {
            tensors.retain(fits);
        }
        if tensors.len() > 1 {
            let list = tensors.iter().map(|(tensor, _)| format!("{:?} {:?}", tensor.name, tensor.shape));
            let reason = "several tensors may hold the word embeddings; name one as member=, of";
            return Err(refuse(listed, format!("{reason} {}", show(list))));
        }
        let (tensor, i) = tensors.pop().ok_or_else(|| {
            refuse(listed, format!("the index names {names:?}, but the file it names has none of it"))
        })?;
        Ok((headers.swap_remove(i), tensor))
    }
}

/// The names among `all` that may be meant; where there are none, what there is instead.
fn fitting<'n>(all: impl Iterator<Item = &'n str>, member: Option<&str>) -> Result<Vec<&'n str>, String> {
    let all: Vec<&str> = all.collect();
    let those =
        |fits: &dyn Fn(&str) -> bool| -> Vec<&'n str> { all.iter().copied().filter(|name| fits(name)).collect() };
    let names = match member {
        Some(member) => those(&|name| name == member),
        None => {
            let shared = those(&|name| ends_in(name, &[SHARED]));
            let usual = || those(&|name| name == MODEL2VEC || name == STATIC || ends_in(name, &BEHIND_A_PREFIX));
            if shared.is_empty() { usual() } else { shared }
        }
    };
    if names.is_empty() {
        let likely = those(&|name| name.contains("emb"));
        return Err(show(if likely.is_empty() { all } else { likely }.iter().map(|name| format!("{name:?}"))));
    }
    Ok(names)
}

/// Whether `name` is one of `tails`, or ends in one behind a dot.
fn ends_in(name: &str, tails: &[&str]) -> bool {
    let stands = |before: &str| before.is_empty() || before.ends_with('.');
    tails.iter().any(|tail| name.strip_suffix(tail).is_some_and(stands))
}

fn none(member: Option<&str>) -> String {
    match member {
        Some(member) => format!("no tensor {member:?} in the model, which has"),
        None => "no tensor whose name says that it holds word embeddings; name one as member=, perhaps of".into(),
    }
}

fn show(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.take(SHOWN).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

fn refuse(path: &Path, reason: String) -> Error {
    ParseError::of(path, reason).into()
}
