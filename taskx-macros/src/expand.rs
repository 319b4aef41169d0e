//! The code that stands beside the user's function.
//!
//! It names everything by absolute paths into `taskx::__private`, so that the application needs
//! no dependency but taskx, and nothing that is in scope changes its meaning.

mod definition;
mod wrapper;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Type, parse_quote, spanned::Spanned};

use crate::{
    mistakes::Mistakes,
    model::Task,
    options::Attribute,
    parameter::Kind,
    parse::{function, type_text},
    signature::{Fallback, Output, Parameter},
};

/// Reads a declaration and expands it.
pub(crate) fn attribute(
    attribute: Attribute,
    options: TokenStream,
    item: &TokenStream,
) -> TokenStream {
    let mut mistakes = Mistakes::default();
    match function(item.clone(), &attribute.to_string()) {
        Ok(function) => {
            let task = Task::read(attribute, options, function, &mut mistakes);
            expand(&task, mistakes)
        }
        Err(error) => {
            mistakes.unread(error);
            let errors = mistakes.into_tokens();
            quote!(#item #errors)
        }
    }
}

/// The function as it was, what is wrong with it, and what the macro adds.
///
/// With mistakes, the applier is made all the same where that is possible, so that its callers
/// compile and one mistake stays one message; but it is never run, so it has no body.
fn expand(task: &Task, mistakes: Mistakes) -> TokenStream {
    let function = &task.function;
    let is_whole = mistakes.is_empty();
    let errors = mistakes.into_tokens();
    let Some(applier) = &task.applier else { return quote!(#function #errors) };
    let private = match &task.options.taskx {
        Some(taskx) => quote!(#taskx::__private),
        None => quote!(::taskx::__private),
    };
    let expansion = Expansion { task, applier, private, is_whole };
    let (arguments, inherent, debug) =
        (expansion.arguments(), expansion.inherent(), expansion.debug());
    let definition = expansion.definition();
    quote!(#function #errors #arguments #inherent #debug #definition)
}

struct Expansion<'a> {
    task: &'a Task,
    applier: &'a Ident,
    /// The path of `taskx::__private`.
    private: TokenStream,
    is_whole: bool,
}

impl Expansion<'_> {
    /// The struct: its fields are the stored arguments.
    fn arguments(&self) -> TokenStream {
        let Self { task, applier, private, .. } = self;
        let (cfgs, visibility) = (task.cfgs(), &task.function.visibility);
        let docs = task.docs();
        let default_doc = task.doc_lines().is_empty().then(|| {
            let doc =
                format!("The task `{}`: its arguments, and the way to apply it.", task.name());
            quote!(#[doc = #doc])
        });
        let serde = format!("{}::serde", type_text(private));
        let fields = task.signature.stored().map(|parameter| self.field(parameter));
        quote! {
            #(#cfgs)*
            #(#docs)*
            #default_doc
            #[derive(#private::serde::Serialize, #private::serde::Deserialize)]
            #[serde(crate = #serde)]
            #visibility struct #applier { #(#fields),* }
        }
    }

    fn field(&self, parameter: &Parameter) -> TokenStream {
        let (name, key, visibility) =
            (&parameter.name, parameter.key(), &self.task.function.visibility);
        let doc = format!("The argument `{key}`.");
        let default = parameter.default.as_ref().map(|fallback| match fallback {
            Fallback::Default => quote!(#[serde(default)]),
            Fallback::Value(_) => {
                let path = format!("{}::{}", self.applier, default_name(parameter));
                quote!(#[serde(default = #path)])
            }
        });
        let ty = stored_type(parameter);
        quote!(#[doc = #doc] #default #visibility #name: #ty)
    }

    /// `NAME`, `apply` and `enqueue`.
    fn inherent(&self) -> TokenStream {
        let Self { task, applier, private, .. } = self;
        let (cfgs, visibility, wire_name) = (task.cfgs(), &task.function.visibility, task.name());
        let names: Vec<_> = task.signature.stored().map(|parameter| &parameter.name).collect();
        let parameters = task.signature.stored().map(taken);
        let values = task.signature.stored().map(given);
        let defaults = task.signature.stored().filter_map(default_value);
        let apply_doc = format!(
            "A job that calls `{}` with these arguments. Nothing is stored until it is awaited or given to another finisher.",
            task.function.signature.ident
        );
        quote! {
            #(#cfgs)*
            #[allow(dead_code, clippy::too_many_arguments)]
            impl #applier {
                /// The task's name, as it is stored with each job.
                #visibility const NAME: &'static str = #wire_name;

                #[doc = #apply_doc]
                #visibility fn apply(#(#parameters),*) -> #private::Apply<Self> {
                    #private::Apply::new(&Self { #(#names: #values),* })
                }

                /// A job with these arguments, which were named one by one. Nothing is stored
                /// until it is awaited or given to another finisher.
                #visibility fn enqueue(self) -> #private::Apply<Self> {
                    #private::Apply::new(&self)
                }

                #(#defaults)*
            }
        }
    }

    /// `Debug` without values: arguments may be secrets, and debug output ends up in logs.
    fn debug(&self) -> TokenStream {
        let Self { task, applier, .. } = self;
        let (cfgs, name) = (task.cfgs(), applier.to_string());
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl ::core::fmt::Debug for #applier {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#name).finish_non_exhaustive()
                }
            }
        }
    }

    /// The `Task` impl, the wrapper that it names, and its place in the registry.
    fn definition(&self) -> TokenStream {
        let Self { task, applier, private, .. } = self;
        let cfgs = task.cfgs();
        let def = self.def();
        let returned = returned(&task.signature.output);
        let output = quote_spanned!(returned.span()=> <#returned as #private::TaskReturn>::Output);
        let (checks, wrapper, submit) = if self.is_whole {
            let submit = quote! {
                #private::inventory::submit! {
                    #private::Registered(<#applier as #private::Task>::DEF)
                }
            };
            (self.checks(), self.wrapper(), submit)
        } else {
            let wrapper = quote! {
                fn __run(_: #private::Invocation) -> #private::Verdict {
                    ::core::unreachable!()
                }
            };
            (TokenStream::new(), wrapper, TokenStream::new())
        };
        quote! {
            #(#cfgs)*
            #[allow(deprecated)]
            const _: () = {
                #checks
                #wrapper

                #[automatically_derived]
                impl #private::Task for #applier {
                    const DEF: &'static #private::TaskDef = &#def;
                    type Output = #output;
                }

                #submit
            };
        }
    }
}

/// The type of a stored argument's field.
fn stored_type(parameter: &Parameter) -> Type {
    match &parameter.kind {
        Kind::Stored(ty) => (**ty).clone(),
        Kind::Text => parse_quote!(::std::string::String),
        Kind::Wrong | Kind::Context | Kind::State(_) | Kind::Connection(_) => parse_quote!(()),
    }
}

/// A stored argument as a parameter of `apply`.
fn taken(parameter: &Parameter) -> TokenStream {
    let (name, ty) = (&parameter.name, stored_type(parameter));
    if matches!(parameter.kind, Kind::Wrong) {
        quote!(#name: impl ::core::marker::Sized)
    } else if parameter.is_text() {
        quote!(#name: impl ::core::convert::Into<#ty>)
    } else {
        quote!(#name: #ty)
    }
}

/// What `apply` makes of it.
fn given(parameter: &Parameter) -> TokenStream {
    let name = &parameter.name;
    if matches!(parameter.kind, Kind::Wrong) {
        quote!({ let _ = #name; })
    } else if parameter.is_text() {
        quote!(::core::convert::Into::into(#name))
    } else {
        quote!(#name)
    }
}

/// The function behind `#[arg(default = ..)]`.
fn default_value(parameter: &Parameter) -> Option<TokenStream> {
    let Some(Fallback::Value(value)) = &parameter.default else { return None };
    let (name, ty) = (default_name(parameter), stored_type(parameter));
    let value = if parameter.is_text() {
        quote_spanned!(value.span()=> ::core::convert::Into::into(#value))
    } else {
        quote!(#value)
    };
    Some(quote!(#[doc(hidden)] fn #name() -> #ty { #value }))
}

fn default_name(parameter: &Parameter) -> Ident {
    format_ident!("__default_{}", parameter.key())
}

/// The type that the function returns.
fn returned(output: &Output) -> Type {
    match output {
        Output::Type(ty) => (**ty).clone(),
        Output::Unit | Output::Wrong => parse_quote!(()),
    }
}
