//! Which binary is the application.

use std::path::{Path, PathBuf};

use cargo_metadata::{
    DependencyKind, Metadata, MetadataCommand, Package, Target as CargoTarget, TargetKind,
};
use taskx_commands::Failure;

use super::{Target, source};

/// The variable that names the application.
const VARIABLE: &str = "TASKX_APP";

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An executable that is there.
    Executable(PathBuf),
    /// A binary that cargo builds.
    Binary(Binary),
}

/// A binary or example of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binary {
    /// The manifest of its package.
    pub(super) manifest: PathBuf,
    /// The name of its package.
    pub(super) package: String,
    /// Its own name.
    pub(super) name: String,
    /// Whether it is an example.
    pub(super) is_example: bool,
    /// `taskx/cli`, where the manifest does not turn that feature on.
    pub(super) feature: Option<String>,
    /// The folders of its package and of the packages that it depends on by path.
    pub(super) folders: Vec<PathBuf>,
    /// Whether its main file is marked as an application.
    is_marked: bool,
    /// Whether its package prefers it (`default-run`).
    is_default: bool,
}

impl Binary {
    fn label(&self) -> String {
        format!("{}:{}", self.package, self.name)
    }
}

/// Finds the application: by `--app`, `TASKX_APP`, `[package.metadata.taskx]`, or by its mark.
///
/// # Errors
/// `Usage` if there is none or several, listing what there is and what to type.
pub(super) fn find(target: &Target) -> Result<Found, Failure> {
    let named = match &target.app {
        Some(app) => Some(("--app", app.clone())),
        None => {
            std::env::var(VARIABLE).ok().filter(|app| !app.is_empty()).map(|app| (VARIABLE, app))
        }
    };
    if let Some((source, app)) = &named
        && is_path(app)
    {
        return executable(source, Path::new(app)).map(Found::Executable);
    }
    let workspace = Workspace::read(target)?;
    if let Some((source, app)) = named {
        return workspace.named(source, &app, None).map(Found::Binary);
    }
    if let Some(found) = workspace.by_metadata()? {
        return Ok(found);
    }
    workspace.by_mark().map(Found::Binary)
}

/// A name has no separator in it; a path has, or it leads to a file.
fn is_path(app: &str) -> bool {
    app.contains(['/', '\\']) || Path::new(app).is_file()
}

fn executable(source: &str, path: &Path) -> Result<PathBuf, Failure> {
    if path.is_file() {
        return std::path::absolute(path)
            .map_err(|error| Failure::usage(format!("{source}={}: {error}", path.display())));
    }
    Err(Failure::usage(format!("{source} names {}, which is no file", path.display()))
        .mend("build it first, or name the binary: `package:bin`"))
}

/// The packages that are looked in.
struct Workspace {
    packages: Vec<Package>,
    binaries: Vec<Binary>,
    /// The package that the working directory lies in.
    here: Option<String>,
    /// `app` in `[workspace.metadata.taskx]`.
    app: Option<String>,
}

impl Workspace {
    fn read(target: &Target) -> Result<Self, Failure> {
        let mut command = MetadataCommand::new();
        command.no_deps();
        if let Some(path) = &target.manifest_path {
            command.manifest_path(path);
        }
        let metadata = command.exec().map_err(|error| {
            Failure::usage(format!("look for an application: {}", told(&error))).mend(
                "call taskx in the folder of a package, or name an executable: \
                 --app ./target/release/myapp",
            )
        })?;
        Self::of(&metadata, target.package.as_deref())
    }

    fn of(metadata: &Metadata, only: Option<&str>) -> Result<Self, Failure> {
        let members = metadata.workspace_packages();
        let packages: Vec<Package> = members
            .iter()
            .filter(|package| only.is_none_or(|only| package.name.as_str() == only))
            .map(|package| (*package).clone())
            .collect();
        if packages.is_empty() {
            let names: Vec<_> = members.iter().map(|package| package.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "there is no package {} here; the packages are {}",
                only.unwrap_or_default(),
                names.join(", ")
            )));
        }
        let working = std::env::current_dir().ok();
        let here = packages.iter().find(|package| {
            let folder = package.manifest_path.parent();
            // The root of a workspace holds all members, and is the package of none of them.
            let is_root = folder == Some(metadata.workspace_root.as_path()) && packages.len() > 1;
            !is_root
                && working.as_deref().zip(folder).is_some_and(|(working, f)| working.starts_with(f))
        });
        Ok(Self {
            here: here.map(|package| package.name.to_string()),
            binaries: packages.iter().flat_map(|package| binaries(package, &members)).collect(),
            app: metadata.workspace_metadata.pointer("/taskx/app").and_then(text),
            packages,
        })
    }

    /// The binary or example of this name, with or without its package before it.
    fn named(&self, source: &str, app: &str, within: Option<&str>) -> Result<Binary, Failure> {
        let (package, name) = match app.split_once(':') {
            Some((package, name)) => (Some(package), name),
            None => (within, app),
        };
        let fits = |binary: &&Binary| {
            binary.name == name && package.is_none_or(|package| binary.package == package)
        };
        let mut found: Vec<&Binary> = self.binaries.iter().filter(fits).collect();
        // A binary comes before an example of the same name.
        if found.iter().any(|binary| !binary.is_example) {
            found.retain(|binary| !binary.is_example);
        }
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                Err(Failure::usage(format!("{source} names {app}, which is no binary or example"))
                    .mend(format!("there are: {}", labels(&self.binaries))))
            }
            several => Err(Failure::usage(format!(
                "{source} names {app}, of which there are several: {}",
                labels(several.iter().copied())
            ))
            .mend(format!("say which: {source}=package:{name}"))),
        }
    }

    /// What `app` in a manifest's `[package.metadata.taskx]` names.
    fn by_metadata(&self) -> Result<Option<Found>, Failure> {
        let mut named: Vec<(&Package, String)> = self
            .packages
            .iter()
            .filter_map(|package| Some((package, text(package.metadata.pointer("/taskx/app")?)?)))
            .collect();
        if named.len() > 1 && named.iter().any(|(package, _)| self.is_here(package)) {
            named.retain(|(package, _)| self.is_here(package));
        }
        match (named.as_slice(), &self.app) {
            ([(package, app)], _) if is_path(app) => {
                let folder = package.manifest_path.parent().map(|folder| folder.as_std_path());
                let path = folder.unwrap_or(Path::new("")).join(app);
                executable("app in [package.metadata.taskx]", &path)
                    .map(Found::Executable)
                    .map(Some)
            }
            ([(package, app)], _) => self
                .named("app in [package.metadata.taskx]", app, Some(package.name.as_str()))
                .map(Found::Binary)
                .map(Some),
            ([], Some(app)) => self
                .named("app in [workspace.metadata.taskx]", app, None)
                .map(Found::Binary)
                .map(Some),
            ([], None) => Ok(None),
            (several, _) => {
                let names: Vec<_> = several
                    .iter()
                    .map(|(package, app)| format!("{}:{app}", package.name))
                    .collect();
                Err(ambiguous(&names.join(", ")))
            }
        }
    }

    fn is_here(&self, package: &Package) -> bool {
        self.here.as_deref() == Some(package.name.as_str())
    }

    /// The only binary that is marked as an application; the working directory and `default-run`
    /// decide between several.
    fn by_mark(&self) -> Result<Binary, Failure> {
        let marked = self.binaries.iter().filter(|binary| binary.is_marked && !binary.is_example);
        let mut marked: Vec<&Binary> = marked.collect();
        let narrow: [&dyn Fn(&Binary) -> bool; 2] =
            [&|binary: &Binary| self.here.as_ref() == Some(&binary.package), &|binary: &Binary| {
                binary.is_default
            }];
        for fits in narrow {
            if marked.len() > 1 && marked.iter().any(|binary| fits(binary)) {
                marked.retain(|binary| fits(binary));
            }
        }
        match marked.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(self.none()),
            several => Err(ambiguous(&labels(several.iter().copied()))),
        }
    }

    fn none(&self) -> Failure {
        if self.packages.iter().all(|package| dependency(package).is_none()) {
            return Failure::usage("no package here depends on taskx").mend(
                "add it: `cargo add taskx`; or name an executable: --app ./target/release/myapp",
            );
        }
        let mend = if self.binaries.is_empty() {
            "a library alone cannot be run: add a src/main.rs with `#[taskx::main]` that names it \
             (`use my_tasks as _;`)"
                .to_owned()
        } else {
            format!(
                "put `#[taskx::main]` on the main of one, or call `taskx::cli::intercept` in it, or \
                 name it with --app; there are: {}",
                labels(&self.binaries)
            )
        };
        Failure::usage(
            "no application found: no binary uses #[taskx::main] or taskx::cli::intercept",
        )
        .mend(mend)
    }
}

fn ambiguous(names: &str) -> Failure {
    Failure::usage(format!("several applications found: {names}"))
        .mend(format!("choose one with --app package:bin or {VARIABLE}=package:bin (also in .env)"))
}

/// The folders of a package and of those that it depends on by path, each once.
fn folders(package: &Package, members: &[&Package]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        package.manifest_path.parent().map(|folder| folder.into()).into_iter().collect();
    let mut at = 0;
    while let Some(folder) = found.get(at).cloned() {
        at += 1;
        let is_here = |package: &&&Package| {
            package.manifest_path.parent().is_some_and(|parent| parent.as_std_path() == folder)
        };
        let dependencies = members.iter().find(is_here).map(|package| &package.dependencies);
        for path in dependencies.into_iter().flatten().filter_map(|one| one.path.as_ref()) {
            let path = PathBuf::from(path.clone());
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// The binaries and examples of a package.
fn binaries(package: &Package, members: &[&Package]) -> Vec<Binary> {
    let taskx = dependency(package);
    let folders = folders(package, members);
    let is = |target: &CargoTarget, kind: TargetKind| target.kind.contains(&kind);
    let targets = package
        .targets
        .iter()
        .filter(|target| is(target, TargetKind::Bin) || is(target, TargetKind::Example));
    let binary = |target: &CargoTarget| Binary {
        manifest: package.manifest_path.clone().into(),
        package: package.name.to_string(),
        name: target.name.clone(),
        is_example: is(target, TargetKind::Example),
        feature: taskx.as_ref().and_then(|taskx| taskx.feature.clone()),
        is_marked: taskx.as_ref().is_some_and(|taskx| {
            source::is_application(target.src_path.as_std_path(), &taskx.name)
        }),
        folders: folders.clone(),
        is_default: package.default_run.as_deref() == Some(target.name.as_str()),
    };
    targets.map(binary).collect()
}

/// A package's dependency on taskx.
struct Dependency {
    /// What the package calls it in code.
    name: String,
    /// The feature that makes its binaries answer, if the manifest does not turn it on.
    feature: Option<String>,
}

fn dependency(package: &Package) -> Option<Dependency> {
    let all = || package.dependencies.iter().filter(|dependency| dependency.name == "taskx");
    let found = all().find(|one| one.kind == DependencyKind::Normal).or_else(|| all().next())?;
    let key = found.rename.clone().unwrap_or_else(|| found.name.clone());
    let has_cli = all().any(|one| one.features.iter().any(|feature| feature == "cli"));
    // Features of development dependencies cannot be turned on from outside.
    let can_turn_on = found.kind == DependencyKind::Normal && !has_cli;
    Some(Dependency {
        feature: can_turn_on.then(|| format!("{key}/cli")),
        name: key.replace('-', "_"),
    })
}

fn labels<'b>(binaries: impl IntoIterator<Item = &'b Binary>) -> String {
    let mark = |binary: &Binary| if binary.is_example { " (example)" } else { "" };
    let labels: Vec<_> =
        binaries.into_iter().map(|binary| format!("{}{}", binary.label(), mark(binary))).collect();
    if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
}

fn text(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// What cargo said, without the words around it.
fn told(error: &cargo_metadata::Error) -> String {
    match error {
        cargo_metadata::Error::CargoMetadata { stderr } => {
            stderr.trim().trim_start_matches("error: ").to_owned()
        }
        other => other.to_string(),
    }
}
