//! Which file of an archive holds the vectors: the one that is named, or the only one that can be meant.

use std::{fmt, io};

use super::damage;

/// Names shown in an error.
const SHOWN: usize = 20;
/// What lies beside vectors.
const BESIDE: [&str; 8] = ["readme", "license", "licence", "copying", "notice", "changelog", "manifest", "metadata"];
const NO_VECTORS: [&str; 8] = [".md", ".rst", ".pdf", ".html", ".json", ".py", ".sh", ".png"];

/// Archives that are formats of their own.
const TORCH: &str = "this is a PyTorch file, a pickle in a zip archive, which embmap does not load: torch.load it where you \
                     trust it, and give its matrix and words to embmap.write()";
const ARRAYS: &str =
    "this is an archive of NumPy arrays (.npz): words= names the file that has the words of its matrix";

/// The files met so far in an archive.
#[derive(Default)]
pub(super) struct Members {
    wanted: Option<String>,
    all: Names,
    meant: Names,
    /// The place of the first that can be meant.
    first: usize,
    /// Whether there is what PyTorch pickles.
    torch: bool,
    /// NumPy's arrays.
    arrays: usize,
}

/// Names, of which as many are kept as are shown: an archive may have millions.
#[derive(Default)]
struct Names {
    count: usize,
    shown: Vec<String>,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{name:?}"));
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        match self.count - self.shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Members {
    /// Before the first file.
    pub(super) fn new(wanted: Option<&str>) -> Members {
        Members { wanted: wanted.map(str::to_owned), ..Members::default() }
    }

    /// Notes a file; whether it is the first that can be meant.
    pub(super) fn meet(&mut self, name: &str) -> bool {
        self.all.add(name);
        self.torch |= name.split_once('/').is_some_and(|(_, inside)| inside == "data.pkl");
        self.arrays += usize::from(name.ends_with(".npy"));
        let meant = match &self.wanted {
            Some(wanted) => name.strip_prefix("./").unwrap_or(name) == wanted.strip_prefix("./").unwrap_or(wanted),
            None => may_hold_vectors(name),
        };
        if !meant {
            return false;
        }
        self.meant.add(name);
        if self.meant.count == 1 {
            self.first = self.all.count - 1;
        }
        self.meant.count == 1
    }

    /// Once all files have been met: which one it is.
    pub(super) fn only(&self) -> io::Result<usize> {
        let Members { wanted, all, meant, first, .. } = self;
        Err(damage(match (wanted, meant.count) {
            (None, _) if self.torch => TORCH.into(),
            (None, 1..) if self.arrays == all.count => ARRAYS.into(),
            (_, 1) => return Ok(*first),
            (Some(wanted), 0) => format!("no member {wanted:?} in the archive, which holds {all}"),
            (Some(wanted), _) => format!("{wanted:?} is in the archive several times: unpack it first"),
            (None, 0) if all.count == 0 => "the archive is empty".into(),
            (None, 0) => {
                format!("no file of vectors in the archive, which holds {all}; member= names one nevertheless")
            }
            (None, _) => format!("several files in the archive can be meant: name one as member=, of {meant}"),
        }))
    }
}

fn may_hold_vectors(name: &str) -> bool {
    let lower = name.to_lowercase();
    let base = lower.rsplit('/').next().unwrap_or_default();
    let hidden = lower.split('/').any(|part| part.starts_with('.') && part != "." || part == "__macosx");
    !hidden
        && !BESIDE.iter().any(|beside| base.starts_with(beside))
        && !NO_VECTORS.iter().any(|suffix| base.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &[&str], wanted: Option<&str>) -> Result<usize, String> {
        let mut members = Members::new(wanted);
        for name in names {
            members.meet(name);
        }
        members.only().map_err(|error| error.to_string())
    }

    #[test]
    fn the_only_file_that_can_be_meant_is_taken() {
        assert_eq!(choose(&["README.txt", "__MACOSX/._v.txt", "d/.DS_Store", "d/v.txt", "a.md"], None), Ok(3));
        assert_eq!(choose(&["./v"], None), Ok(0));
    }

    #[test]
    fn a_member_is_named_by_its_path() {
        let names = ["a/50d.txt", "50d.txt", "./100d.txt", "x", "x"];
        assert_eq!(choose(&names, Some("50d.txt")), Ok(1));
        assert_eq!(choose(&names, Some("100d.txt")), Ok(2));
        assert!(choose(&names, Some("x")).is_err_and(|e| e.contains("several times")));
        assert!(choose(&names, Some("y")).is_err_and(|e| e.contains("\"a/50d.txt\"")));
    }

    #[test]
    fn archives_that_are_formats_of_their_own_are_named() {
        let torch = ["m/data.pkl", "m/byteorder", "m/data/0", "m/version"];
        assert!(choose(&torch, None).is_err_and(|e| e.contains("PyTorch")));
        assert_eq!(choose(&torch, Some("m/data/0")), Ok(2));
        assert_eq!(choose(&["v.txt", "data.pkl"], Some("v.txt")), Ok(0));
        for arrays in [&["words.npy", "vectors.npy"][..], &["arr_0.npy"]] {
            assert!(choose(arrays, None).is_err_and(|e| e.contains(".npz")));
        }
        assert_eq!(choose(&["v.txt", "readme.npy"], None), Ok(0));
    }

    #[test]
    fn several_candidates_are_listed() {
        assert!(choose(&["a.txt", "b.txt"], None).is_err_and(|e| e.contains("member=, of \"a.txt\", \"b.txt\"")));
        assert!(choose(&[], None).is_err_and(|e| e.contains("empty")));
        assert!(choose(&["readme"], None).is_err_and(|e| e.contains("\"readme\"")));
    }
}
