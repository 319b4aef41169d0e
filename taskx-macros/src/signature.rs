//! What a function's signature says: which parameters are stored, which are lent.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Expr, FnArg, GenericParam, Pat, ReturnType, Safety, Signature as Written, Type};

use crate::{
    mistakes::Mistakes,
    parameter::{Kind, borrows, judge},
    parse::{Function, Given, entries, type_text},
};

/// A task's signature.
#[derive(Debug)]
pub(crate) struct Signature {
    /// Whether it is an `async fn`.
    pub(crate) is_async: bool,
    /// Its parameters, in their order.
    pub(crate) parameters: Vec<Parameter>,
    /// What it returns.
    pub(crate) output: Output,
    /// Whether it takes `self`: no struct can be declared beside a method.
    pub(crate) is_method: bool,
}

/// What a task returns.
#[derive(Debug)]
pub(crate) enum Output {
    /// Nothing is written.
    Unit,
    /// This type; the compiler checks that it can be stored.
    Type(Box<Type>),
    /// Something that no task can return.
    Wrong,
}

/// A parameter of a task.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name; made up if it is a mistake.
    pub(crate) name: Ident,
    /// The type as written.
    pub(crate) written: Type,
    /// What it is.
    pub(crate) kind: Kind,
    /// What stands for it in a stored payload that lacks it.
    pub(crate) default: Option<Fallback>,
}

/// What `#[arg(..)]` says of a missing argument.
#[derive(Debug)]
pub(crate) enum Fallback {
    /// `#[arg(default)]`: the type's `Default`.
    Default,
    /// `#[arg(default = expr)]`
    Value(Box<Expr>),
}

impl Signature {
    /// Reads the signature and takes the `#[arg(..)]` attributes out of it, which the compiler
    /// would not know. Something is returned for every parameter, also for a wrong one, so that
    /// an applier can be made that fits the calls.
    pub(crate) fn read(function: &mut Function, mistakes: &mut Mistakes) -> Self {
        let written = &mut function.signature;
        let is_generic = check_head(written, mistakes);
        let mut parameters = Vec::new();
        for input in &mut written.inputs {
            match input {
                FnArg::Receiver(receiver) => mistakes.at(
                    receiver,
                    "a task is a free function: leave out `self`; take a state by reference, such as `mailer: &Mailer`",
                ),
                FnArg::Typed(typed) => {
                    let index = parameters.len();
                    parameters.push(Parameter::read(typed, index, is_generic, mistakes));
                }
            }
        }
        check_connections(&parameters, mistakes);
        Self {
            is_async: written.asyncness.is_some(),
            is_method: written.receiver().is_some(),
            parameters,
            output: read_output(&written.output, is_generic, mistakes),
        }
    }

    /// The parameters that are stored.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.kind.is_stored())
    }

    /// The connection that it takes.
    pub(crate) fn connection(&self) -> Option<&Type> {
        self.parameters.iter().find_map(|parameter| match &parameter.kind {
            Kind::Connection(ty) => Some(&**ty),
            _ => None,
        })
    }
}

/// Checks what stands before and around the parameters; gives whether the function is generic.
fn check_head(written: &Written, mistakes: &mut Mistakes) -> bool {
    if let Some(token) = &written.constness {
        mistakes.at(token, "a task cannot be a `const fn`: leave out `const`");
    }
    if let Safety::Unsafe(token) = &written.safety {
        mistakes.at(token, "a task cannot be an `unsafe fn`: leave out `unsafe` here, and use a block inside where it is needed");
    }
    if let Some(abi) = &written.abi {
        mistakes.at(abi, "a task is called by Rust only: leave out `extern`");
    }
    if let Some(variadic) = &written.variadic {
        mistakes.at(variadic, "a task has a fixed number of arguments: take a `Vec<..>`");
    }
    let parameters = &written.generics.params;
    let of_types: Vec<_> =
        parameters.iter().filter(|one| !matches!(one, GenericParam::Lifetime(_))).collect();
    if !of_types.is_empty() {
        mistakes.at(
            quote!(#(#of_types),*),
            "a task cannot be generic, since its arguments are decoded from stored JSON when it runs: write the types themselves, and one task for each",
        );
    } else if !parameters.is_empty() {
        mistakes.at(
            parameters,
            "leave out the lifetimes: a task's references are lent for the time of the run",
        );
    } else if let Some(clause) = &written.generics.where_clause {
        mistakes.at(clause, "a task cannot be generic: leave out the `where` clause");
    }
    !of_types.is_empty()
}

impl Parameter {
    fn read(
        typed: &mut syn::PatType,
        index: usize,
        is_generic: bool,
        mistakes: &mut Mistakes,
    ) -> Self {
        let default = read_attributes(&mut typed.attrs, mistakes);
        let name = match &*typed.pat {
            Pat::Ident(plain) if plain.by_ref.is_none() && plain.subpat.is_none() => {
                plain.ident.clone()
            }
            pattern => {
                mistakes.at(
                    pattern,
                    "a task's parameter needs a plain name, under which its value is stored; take it apart in the body",
                );
                format_ident!("arg{index}")
            }
        };
        let (kind, problem) = judge(&typed.ty, &name);
        let kind = match kind {
            // Its type may name a parameter of the function, which the applier does not know.
            Kind::Stored(_) | Kind::State(_) if is_generic => Kind::Wrong,
            kind => kind,
        };
        if let Some(problem) = problem
            && !(is_generic && problem.is_about_lifetimes)
        {
            mistakes.at(problem.place, problem.text);
        }
        if let Some((place, _)) = &default
            && !kind.is_stored()
        {
            mistakes.at(
                place,
                format!("`#[arg(..)]` is for stored arguments; `{name}` is lent by the worker: leave it out"),
            );
        }
        Self { name, written: (*typed.ty).clone(), kind, default: default.map(|(_, what)| what) }
    }

    /// The key under which it is stored.
    pub(crate) fn key(&self) -> String {
        use syn::ext::IdentExt;
        self.name.unraw().to_string()
    }

    /// Whether any text can be given for it: it is stored as a `String`.
    pub(crate) fn is_text(&self) -> bool {
        match &self.kind {
            Kind::Text => true,
            Kind::Stored(ty) => {
                matches!(
                    type_text(ty).as_str(),
                    "String" | "std::string::String" | "::std::string::String"
                )
            }
            _ => false,
        }
    }

    /// Whether it is an `Option`, which is `None` where a stored payload lacks it.
    pub(crate) fn is_option(&self) -> bool {
        match &self.kind {
            Kind::Stored(ty) => match &**ty {
                Type::Path(path) => {
                    path.path.segments.last().is_some_and(|last| last.ident == "Option")
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a stored payload may lack it.
    pub(crate) fn may_be_missing(&self) -> bool {
        self.default.is_some() || self.is_option()
    }

    /// The type as written, as text.
    pub(crate) fn type_text(&self) -> String {
        type_text(&self.written)
    }
}

/// Takes `#[arg(..)]` out of a parameter's attributes.
fn read_attributes(
    attributes: &mut Vec<syn::Attribute>,
    mistakes: &mut Mistakes,
) -> Option<(TokenStream, Fallback)> {
    let mut default = None;
    attributes.retain(|attribute| {
        if attribute.path().is_ident("arg") {
            read_arg(attribute, &mut default, mistakes);
            return false;
        }
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            mistakes.at(
                attribute,
                "the arguments of a task cannot depend on a feature: jobs stored by one build must fit the other; write the whole function twice under `#[cfg(..)]`, with two names",
            );
        }
        true
    });
    default
}

fn read_arg(
    attribute: &syn::Attribute,
    default: &mut Option<(TokenStream, Fallback)>,
    mistakes: &mut Mistakes,
) {
    let inside = match &attribute.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    if inside.is_empty() {
        mistakes.at(attribute, ARG_FORMS);
    }
    let found = entries(inside, mistakes);
    for text in &found.texts {
        mistakes.at(text, ARG_FORMS);
    }
    for entry in found.entries {
        let name = entry.name();
        if name != "default" {
            mistakes.at(
                &entry.key,
                format!("unknown setting `{name}` of an argument; there is only `default`"),
            );
            continue;
        }
        if default.is_some() {
            mistakes.at(&entry.key, "`default` is given twice; keep one of them");
            continue;
        }
        let fallback = match entry.given {
            Given::Nothing => Fallback::Default,
            Given::Value(value) => Fallback::Value(value),
            Given::List(_) => {
                mistakes.at(entry.place(), ARG_FORMS);
                Fallback::Default
            }
        };
        *default = Some((attribute.to_token_stream(), fallback));
    }
}

const ARG_FORMS: &str = "write `#[arg(default)]` or `#[arg(default = ..)]`";

/// A transaction runs on one connection.
fn check_connections(parameters: &[Parameter], mistakes: &mut Mistakes) {
    let connections = parameters.iter().filter(|one| matches!(one.kind, Kind::Connection(_)));
    for second in connections.skip(1) {
        mistakes.at(
            &second.written,
            "a task takes at most one connection, that of the queue's own database; give another database as a state (`&MyPool`)",
        );
    }
}

fn read_output(written: &ReturnType, is_generic: bool, mistakes: &mut Mistakes) -> Output {
    let ReturnType::Type(_, ty) = written else { return Output::Unit };
    if let Type::ImplTrait(opaque) = &**ty {
        let text = if type_text(opaque).contains("Future") {
            "write `async fn`, which returns a future by itself"
        } else {
            "what a task returns is stored, so its type must be named: write for example `Result<usize, MyError>`"
        };
        mistakes.at(ty, text);
        return Output::Wrong;
    }
    if let Type::Path(path) = &**ty
        && let Some(last) = path.path.segments.last()
    {
        if last.ident == "Pin" || last.ident == "BoxFuture" {
            mistakes.at(ty, "write `async fn`, which returns a future by itself");
            return Output::Wrong;
        }
        // An error that borrows is fine: only what is stored must be owned.
        if let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
            && last.ident == "Result"
            && let Some(syn::GenericArgument::Type(value)) = arguments.args.first()
            && let Some(place) = borrows(value)
        {
            mistakes.at(place, RESULT_IS_OWNED);
            return Output::Wrong;
        }
    } else if let Some(place) = borrows(ty) {
        mistakes.at(place, RESULT_IS_OWNED);
        return Output::Wrong;
    }
    if is_generic { Output::Wrong } else { Output::Type(ty.clone()) }
}

const RESULT_IS_OWNED: &str =
    "what a task returns is stored, so it must own its data: write for example `String` for `&str`";
