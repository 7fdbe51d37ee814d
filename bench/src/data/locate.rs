//! Where public sets lie on this machine.

use std::env;
use std::path::{Path, PathBuf};

use super::download::{self, Mirror, PublicSet, Remote};
use super::{DataError, KNOWN_SETS, LoadOptions};

/// The folder of data sets, and how to fill it.
pub(super) struct Shelf<'a> {
    root: PathBuf,
    download: bool,
    progress: bool,
    mirror: &'a Mirror,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(options: &LoadOptions, mirror: &'a Mirror) -> Result<Self, DataError> {
        let root = match &options.data_dir {
            Some(folder) => folder.clone(),
            None => default_root()?,
        };
        let LoadOptions {
            download, progress, ..
        } = *options;
        Ok(Self {
            root,
            download,
            progress,
            mirror,
        })
    }

    /// The folders in which `set` may lie. A folder that bears the name of another set is not one
    /// of them: the files of MNIST and Fashion-MNIST have the same names.
    pub(super) fn folders(&self, set: &PublicSet) -> Vec<PathBuf> {
        let mut folders = vec![self.root.join(set.name)];
        let own_name = self.root.file_name().and_then(|name| name.to_str());
        if own_name.is_none_or(|own| own == set.name || !KNOWN_SETS.contains(&own)) {
            folders.push(self.root.clone());
        }
        folders
    }

    /// A file of `set` under one of its usual names, downloaded under its published name if it is
    /// nowhere.
    pub(super) fn file(
        &self,
        set: &PublicSet,
        remote: &Remote,
        usual: &[String],
    ) -> Result<PathBuf, DataError> {
        for folder in self.folders(set) {
            let paths = usual.iter().map(|name| folder.join(name));
            if let Some(path) = paths.into_iter().find(|path| path.exists()) {
                return Ok(path);
            }
        }
        let path = self.root.join(set.name);
        if !self.download {
            let PublicSet {
                name: set, page, ..
            } = *set;
            return Err(DataError::NotHere {
                set,
                file: remote.name,
                path,
                page,
            });
        }
        let url = self.mirror.url(set, remote);
        download::fetch(&url, remote, &path, self.progress)
    }
}

fn default_root() -> Result<PathBuf, DataError> {
    let folder = |name| {
        env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let cache = || {
        let cache = folder("XDG_CACHE_HOME").filter(|path| Path::is_absolute(path));
        let cache = cache.or_else(|| env::home_dir().map(|home| home.join(".cache")));
        cache.map(|cache| cache.join("metric"))
    };
    folder("METRIC_DATA_DIR")
        .or_else(cache)
        .ok_or(DataError::NoCache)
}
