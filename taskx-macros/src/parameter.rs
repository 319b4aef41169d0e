//! The argument rule: what is passed by value is stored, what is taken by reference is lent.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeReference, parse_quote};

use crate::parse::type_text;

/// What a parameter is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Stored, and passed by value.
    Stored(Box<Type>),
    /// `&str`: stored as a `String`, and lent.
    Text,
    /// `&Ctx`
    Context,
    /// `&T`: a state of the App.
    State(Box<Type>),
    /// `&mut T`: the connection of a transactional task.
    Connection(Box<Type>),
    /// A mistake that leaves open what was meant; it is told already.
    Wrong,
}

impl Kind {
    /// Whether it has a place in the payload. A mistake has one: most were meant so.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::Text | Self::Wrong)
    }
}

/// What is wrong with the type of a parameter.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) place: TokenStream,
    /// What, and what to write.
    pub(crate) text: String,
    /// Whether it only repeats what is told of a function with lifetime parameters.
    pub(crate) is_about_lifetimes: bool,
}

impl Problem {
    fn new(place: impl ToTokens, text: impl Into<String>) -> Self {
        Self { place: place.to_token_stream(), text: text.into(), is_about_lifetimes: false }
    }
}

type Judgement = (Kind, Option<Problem>);

fn fine(kind: Kind) -> Judgement {
    (kind, None)
}

fn stored(ty: &Type) -> Kind {
    Kind::Stored(Box::new(ty.clone()))
}

fn state(ty: &Type) -> Kind {
    Kind::State(Box::new(bare(ty).clone()))
}

/// Judges the type of the parameter `name`. With a problem, the kind is what was probably meant.
pub(crate) fn judge(ty: &Type, name: &Ident) -> Judgement {
    match bare(ty) {
        Type::Reference(reference) if reference.mutability.is_some() => exclusive(reference, name),
        Type::Reference(reference) => shared(reference, name),
        by_value => owned(by_value, name),
    }
}

/// Without parentheses and invisible groups.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// `T`: stored.
fn owned(ty: &Type, name: &Ident) -> Judgement {
    let written = type_text(ty);
    let instead = |kind: Kind, text: String| (kind, Some(Problem::new(ty, text)));
    match ty {
        Type::ImplTrait(_) => instead(
            Kind::Wrong,
            format!(
                "a task cannot be generic, and `{written}` is: write the type itself, or `&dyn ..` for a state"
            ),
        ),
        Type::TraitObject(_) => instead(
            state(ty),
            format!(
                "a trait object cannot be stored: write `{name}: &{written}` to take it as a state"
            ),
        ),
        Type::Slice(slice) => {
            let inner = &slice.elem;
            let vec: Type = parse_quote!(::std::vec::Vec<#inner>);
            instead(
                stored(&vec),
                format!(
                    "a stored argument owns its data: write `{name}: Vec<{}>`",
                    type_text(inner)
                ),
            )
        }
        Type::Ptr(_) | Type::FnPtr(_) | Type::Never(_) | Type::Infer(_) => instead(
            Kind::Wrong,
            format!(
                "`{written}` cannot be stored: an argument is kept as JSON until the job runs, perhaps in another process"
            ),
        ),
        Type::Path(path) => match path.path.segments.last() {
            Some(last) => owned_path(ty, last, name),
            None => fine(stored(ty)),
        },
        _ => match borrows(ty) {
            Some(place) => (Kind::Wrong, Some(Problem::new(place, OWNED))),
            None => fine(stored(ty)),
        },
    }
}

const OWNED: &str = "a stored argument must own its data, since the job outlives the call: write for example `String` for `&str`";

fn owned_path(ty: &Type, last: &PathSegment, name: &Ident) -> Judgement {
    let instead = |kind: Kind, text: String| (kind, Some(Problem::new(ty, text)));
    let word = last.ident.to_string();
    match (word.as_str(), single_argument(last).map(bare)) {
        ("Ctx", None) => {
            instead(Kind::Context, format!("the context is lent for the run: write `{name}: &Ctx`"))
        }
        ("str", None) => {
            instead(Kind::Text, format!("write `{name}: &str`: it is stored and lent"))
        }
        ("Arc" | "Rc", Some(inner)) if is_word(inner, "str") => {
            instead(stored(&parse_quote!(::std::string::String)), format!("write `{name}: String`"))
        }
        ("Arc" | "Rc", Some(inner)) => instead(
            state(inner),
            format!(
                "what is shared is a state, and states are lent: write `{name}: {}`",
                reference_to(inner)
            ),
        ),
        ("Box", Some(inner @ Type::TraitObject(_))) => instead(
            state(inner),
            format!(
                "a trait object cannot be stored: write `{name}: {}` to take it as a state",
                reference_to(inner)
            ),
        ),
        ("Option", Some(Type::Reference(reference))) => option_of_reference(ty, reference, name),
        ("Cow", _)
            if borrows(ty).is_some() || single_argument(last).is_some() && !has_static(last) =>
        {
            instead(
                Kind::Wrong,
                format!(
                    "a stored argument must own its data: write `{name}: String`, or `{name}: &str` to have it lent"
                ),
            )
        }
        _ => match borrows(ty) {
            Some(place) => {
                let mut problem = Problem::new(place, OWNED);
                problem.is_about_lifetimes = true;
                (Kind::Wrong, Some(problem))
            }
            None => fine(stored(ty)),
        },
    }
}

fn option_of_reference(ty: &Type, reference: &TypeReference, name: &Ident) -> Judgement {
    let inner = bare(&reference.elem);
    let (kind, text) = if is_word(inner, "str") {
        (
            stored(&parse_quote!(::std::option::Option<::std::string::String>)),
            format!("a stored argument owns its data: write `{name}: Option<String>`"),
        )
    } else if reference.mutability.is_some() {
        (
            Kind::Connection(Box::new(inner.clone())),
            format!("the connection is always there: write `{name}: &mut {}`", type_text(inner)),
        )
    } else {
        (
            state(inner),
            format!(
                "a state is never missing, since the worker does not start without it: write `{name}: {}`",
                reference_to(inner)
            ),
        )
    };
    (kind, Some(Problem::new(ty, text)))
}

/// `&T`: the context, a text, or a state.
fn shared(reference: &TypeReference, name: &Ident) -> Judgement {
    let inner = bare(&reference.elem);
    let instead = |kind: Kind, text: String| (kind, Some(Problem::new(reference, text)));
    let by_value = |ty: &Type| {
        let text = format!(
            "what a task takes by reference is a state, and this looks like a stored argument: write `{name}: {}` (a state needs a type of your own)",
            type_text(ty)
        );
        instead(stored(ty), text)
    };
    if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static") {
        let kind = if is_word(inner, "str") { Kind::Text } else { state(inner) };
        return instead(
            kind,
            format!(
                "what is lent lives as long as the run: write `{name}: {}`",
                reference_to(inner)
            ),
        );
    }
    match inner {
        Type::Slice(slice) => {
            let element = &slice.elem;
            let vec: Type = parse_quote!(::std::vec::Vec<#element>);
            let text = format!(
                "a stored argument owns its data: write `{name}: Vec<{}>`",
                type_text(element)
            );
            instead(stored(&vec), text)
        }
        Type::Array(_) | Type::Tuple(_) => by_value(inner),
        Type::Reference(twice) => {
            instead(state(&twice.elem), format!("write `{name}: {}`", reference_to(&twice.elem)))
        }
        Type::ImplTrait(bounds) => {
            let bounds = &bounds.bounds;
            let object: Type = parse_quote!(dyn #bounds);
            let text =
                format!("a task cannot be generic: write `{name}: {}`", reference_to(&object));
            instead(state(&object), text)
        }
        Type::Ptr(_) | Type::Never(_) | Type::Infer(_) => instead(
            Kind::Wrong,
            format!("`{}` is no state: write the type itself", type_text(inner)),
        ),
        Type::Path(path) => match path.path.segments.last() {
            Some(last) => shared_path(reference, inner, last, name),
            None => fine(state(inner)),
        },
        _ => fine(state(inner)),
    }
}

fn shared_path(
    reference: &TypeReference,
    inner: &Type,
    last: &PathSegment,
    name: &Ident,
) -> Judgement {
    let instead = |kind: Kind, text: String| (kind, Some(Problem::new(reference, text)));
    let word = last.ident.to_string();
    let owned_of =
        |owned: &str| -> Option<Type> { syn::parse_str(&format!("::std::{owned}")).ok() };
    match (word.as_str(), single_argument(last)) {
        ("str", None) => fine(Kind::Text),
        ("Ctx", None) => fine(Kind::Context),
        ("String", None) => {
            instead(Kind::Text, format!("write `{name}: &str`: the text is stored and lent"))
        }
        ("Path" | "PathBuf" | "OsStr" | "OsString" | "CStr" | "CString", None)
            if is_of_std(inner) =>
        {
            let (short, long) = match word.as_str() {
                "Path" | "PathBuf" => ("PathBuf", "path::PathBuf"),
                "OsStr" | "OsString" => ("OsString", "ffi::OsString"),
                _ => ("CString", "ffi::CString"),
            };
            let kind = owned_of(long).map_or(Kind::Wrong, |ty| stored(&ty));
            instead(kind, format!("a stored argument owns its data: write `{name}: {short}`"))
        }
        ("Arc" | "Rc" | "Box", Some(held)) => instead(
            state(held),
            format!("a state is found by the type inside: write `{name}: {}`", reference_to(held)),
        ),
        (word, _) if PRIMITIVES.contains(&word) || COLLECTIONS.contains(&word) => instead(
            stored(inner),
            format!(
                "what a task takes by reference is a state, and this looks like a stored argument: write `{name}: {}` (a state needs a type of your own)",
                type_text(inner)
            ),
        ),
        _ => match lifetime_of(last) {
            Some(lifetime) => instead(
                Kind::Wrong,
                format!(
                    "a state lives as long as the App, so its type cannot borrow for `{lifetime}`: give an owned one"
                ),
            ),
            None => fine(state(inner)),
        },
    }
}

/// `&mut T`: the connection, unless it is plainly something else.
fn exclusive(reference: &TypeReference, name: &Ident) -> Judgement {
    let inner = bare(&reference.elem);
    let instead = |kind: Kind, text: String| (kind, Some(Problem::new(reference, text)));
    let word = match inner {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    };
    match (inner, word.as_deref()) {
        (_, Some("Ctx")) => {
            instead(Kind::Context, format!("the context is shared: write `{name}: &Ctx`"))
        }
        (_, Some("str" | "String")) => instead(
            stored(&parse_quote!(::std::string::String)),
            format!("{ONLY_CONNECTION}: write `mut {name}: String`"),
        ),
        (Type::Slice(slice), _) => {
            let element = &slice.elem;
            let text =
                format!("{ONLY_CONNECTION}: write `mut {name}: Vec<{}>`", type_text(element));
            instead(stored(&parse_quote!(::std::vec::Vec<#element>)), text)
        }
        (_, Some(word)) if PRIMITIVES.contains(&word) || COLLECTIONS.contains(&word) => instead(
            stored(inner),
            format!("{ONLY_CONNECTION}: write `mut {name}: {}`", type_text(inner)),
        ),
        (Type::Array(_) | Type::Tuple(_), _) => instead(
            stored(inner),
            format!("{ONLY_CONNECTION}: write `mut {name}: {}`", type_text(inner)),
        ),
        (Type::TraitObject(_), _) => instead(
            state(inner),
            format!(
                "{ONLY_CONNECTION}; a state is shared: write `{name}: {}`",
                reference_to(inner)
            ),
        ),
        (Type::Path(_), _) => fine(Kind::Connection(Box::new(inner.clone()))),
        _ => instead(
            Kind::Wrong,
            format!("{ONLY_CONNECTION}, such as `{name}: &mut SqliteConnection`"),
        ),
    }
}

const ONLY_CONNECTION: &str = "`&mut` is for the connection of the queue's own database";

const PRIMITIVES: [&str; 16] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

const COLLECTIONS: [&str; 8] =
    ["BTreeMap", "BTreeSet", "HashMap", "HashSet", "Option", "Vec", "VecDeque", "Duration"];

/// `&T` as one writes it: several bounds need parentheses.
fn reference_to(ty: &Type) -> String {
    match bare(ty) {
        Type::TraitObject(object) if object.bounds.len() > 1 => format!("&({})", type_text(object)),
        other => format!("&{}", type_text(other)),
    }
}

/// Whether a type is this one word.
fn is_word(ty: &Type, word: &str) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(word))
}

/// `Path` or `std::path::Path`, but not `svg::Path`.
fn is_of_std(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let segments = &path.path.segments;
    segments.len() == 1 || segments.first().is_some_and(|first| first.ident == "std")
}

/// The only type between a segment's angle brackets.
fn single_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    let first = types.next();
    if types.next().is_none() { first } else { None }
}

/// A lifetime between a segment's angle brackets that is not `'static`.
fn lifetime_of(segment: &PathSegment) -> Option<&syn::Lifetime> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => Some(lifetime),
        _ => None,
    })
}

fn has_static(segment: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
    arguments
        .args
        .iter()
        .any(|argument| matches!(argument, GenericArgument::Lifetime(one) if one.ident == "static"))
}

/// The part of an owned type that borrows: a reference or a lifetime that is not `'static`.
pub(crate) fn borrows(ty: &Type) -> Option<TokenStream> {
    match ty {
        Type::Reference(reference) => Some(quote!(#reference)),
        Type::Array(array) => borrows(&array.elem),
        Type::Group(group) => borrows(&group.elem),
        Type::Paren(paren) => borrows(&paren.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrows),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| {
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => {
                    Some(quote!(#lifetime))
                }
                GenericArgument::Type(ty) => borrows(ty),
                _ => None,
            })
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> (String, Option<String>) {
        let ty: Type = syn::parse_str(text).unwrap();
        let (kind, problem) = judge(&ty, &quote::format_ident!("x"));
        let kind = match kind {
            Kind::Stored(ty) => format!("stored {}", type_text(&ty)),
            Kind::Text => "text".to_owned(),
            Kind::Context => "context".to_owned(),
            Kind::State(ty) => format!("state {}", type_text(&ty)),
            Kind::Connection(ty) => format!("connection {}", type_text(&ty)),
            Kind::Wrong => "wrong".to_owned(),
        };
        (kind, problem.map(|problem| problem.text))
    }

    #[test]
    fn by_value_is_stored_and_by_reference_is_lent() {
        for (ty, expected) in [
            ("String", "stored String"),
            ("Option<Vec<u8>>", "stored Option<Vec<u8>>"),
            ("(u8, my::Order)", "stored (u8, my::Order)"),
            ("Cow<'static, str>", "stored Cow<'static, str>"),
            ("[u8; 4]", "stored [u8; 4]"),
            ("&str", "text"),
            ("&Ctx", "context"),
            ("&taskx::Ctx", "context"),
            ("&Mailer", "state Mailer"),
            ("&dyn Greet", "state dyn Greet"),
            ("&(dyn Greet + Send)", "state dyn Greet + Send"),
            ("&dyn Fn(&str) -> u8", "state dyn Fn(&str) -> u8"),
            ("&svg::Path", "state svg::Path"),
            ("&Pool<Pg>", "state Pool<Pg>"),
            ("&mut SqliteConnection", "connection SqliteConnection"),
            ("&mut taskx::PgConn", "connection taskx::PgConn"),
        ] {
            assert_eq!(judged(ty), (expected.to_owned(), None), "{ty}");
        }
    }

    #[test]
    fn what_is_neither_says_what_to_write() {
        for (ty, meant, write) in [
            ("Ctx", "context", "`x: &Ctx`"),
            ("Arc<Mailer>", "state Mailer", "`x: &Mailer`"),
            ("Arc<dyn Greet + Send>", "state dyn Greet + Send", "`x: &(dyn Greet + Send)`"),
            ("Box<dyn Greet>", "state dyn Greet", "`x: &dyn Greet`"),
            ("Option<&Mailer>", "state Mailer", "`x: &Mailer`"),
            (
                "Option<&str>",
                "stored ::std::option::Option<::std::string::String>",
                "`x: Option<String>`",
            ),
            ("Option<&mut Conn>", "connection Conn", "`x: &mut Conn`"),
            ("dyn Greet", "state dyn Greet", "`x: &dyn Greet`"),
            ("impl Greet", "wrong", "`&dyn ..`"),
            ("&impl Greet", "state dyn Greet", "`x: &dyn Greet`"),
            ("[u8]", "stored ::std::vec::Vec<u8>", "`x: Vec<u8>`"),
            ("&[u8]", "stored ::std::vec::Vec<u8>", "`x: Vec<u8>`"),
            ("&Path", "stored ::std::path::PathBuf", "`x: PathBuf`"),
            ("&String", "text", "`x: &str`"),
            ("&'static str", "text", "`x: &str`"),
            ("&u32", "stored u32", "`x: u32`"),
            ("&Vec<u8>", "stored Vec<u8>", "`x: Vec<u8>`"),
            ("&Arc<Mailer>", "state Mailer", "`x: &Mailer`"),
            ("&&Mailer", "state Mailer", "`x: &Mailer`"),
            ("&(u8, u8)", "stored (u8, u8)", "`x: (u8, u8)`"),
            ("&Foo<'_>", "wrong", "an owned one"),
            ("Vec<&str>", "wrong", "`String` for `&str`"),
            ("Foo<'_>", "wrong", "`String` for `&str`"),
            ("Cow<str>", "wrong", "`x: String`"),
            ("*const u8", "wrong", "cannot be stored"),
            ("fn(u8) -> u8", "wrong", "cannot be stored"),
            ("&mut String", "stored ::std::string::String", "`mut x: String`"),
            ("&mut Vec<u8>", "stored Vec<u8>", "`mut x: Vec<u8>`"),
            ("&mut u64", "stored u64", "`mut x: u64`"),
            ("&mut [u8]", "stored ::std::vec::Vec<u8>", "`mut x: Vec<u8>`"),
            ("&mut dyn Greet", "state dyn Greet", "`x: &dyn Greet`"),
            ("&mut Ctx", "context", "`x: &Ctx`"),
        ] {
            let (kind, text) = judged(ty);
            assert_eq!(kind, meant, "{ty}");
            assert!(text.as_ref().is_some_and(|text| text.contains(write)), "{ty}: {text:?}");
        }
    }
}
