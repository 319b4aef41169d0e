//! The code that stands beside the user's function.
//!
//! It names everything by absolute paths into `taskx::__private`, so that the application needs
//! no dependency but taskx, and nothing that is in scope changes its meaning.

mod definition;
mod schedules;
mod wrapper;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{LitStr, Type, parse_quote, spanned::Spanned};

use crate::{
    attribute::{Attribute, Written},
    mistakes::Mistakes,
    model::Task,
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
            let written = Written::expanding(attribute, options);
            let task = Task::read(written, function, &mut mistakes);
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
        // Where another item has the same name, the message points at the function's.
        let item = quote_spanned!(applier.span()=> struct #applier { #(#fields),* });
        quote! {
            #(#cfgs)*
            #(#docs)*
            #default_doc
            #[derive(#private::serde::Serialize, #private::serde::Deserialize)]
            #[serde(crate = #serde)]
            #visibility #item
        }
    }

    /// A field. Its values pass through `Storable`, so that a type which cannot be stored is one
    /// message at that type.
    fn field(&self, parameter: &Parameter) -> TokenStream {
        let (name, key, visibility) =
            (&parameter.name, parameter.key(), &self.task.function.visibility);
        let doc = format!("The argument `{key}`.");
        let place = parameter.written.span();
        let ty = stored_type(parameter);
        let through = |method: &str| {
            let path =
                format!("<{} as {}::Storable>::{method}", type_text(&ty), type_text(&self.private));
            LitStr::new(&path, place)
        };
        let (write, read) = (through("write"), through("read"));
        let default = if parameter.default.is_some() {
            let path = format!("{}::{}", self.applier, default_name(parameter));
            Some(quote!(default = #path))
        } else {
            parameter.is_option().then(|| quote!(default))
        };
        quote_spanned! {place=>
            #[doc = #doc]
            #[serde(serialize_with = #write, deserialize_with = #read, #default)]
            #visibility #name: #ty
        }
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
            // Whoever uses one half of an applier leaves the other unused, and a task takes what it takes.
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
        // At one place as a whole: the compiler asks twice about the type, and shows what is
        // word for word the same only once.
        let output = quote_spanned! {returned.span()=>
            type Output = <#returned as #private::TaskReturn>::Output;
        };
        let (check, wrapper, submit) = if self.is_whole {
            let submit = quote! {
                #private::inventory::submit! {
                    #private::Registered(<#applier as #private::Task>::DEF)
                }
            };
            (self.check(), self.wrapper(), submit)
        } else {
            let wrapper = quote! {
                fn __run(_: #private::Invocation) -> #private::Verdict {
                    ::core::unreachable!()
                }
            };
            (None, wrapper, TokenStream::new())
        };
        quote! {
            #(#cfgs)*
            #[allow(deprecated)]
            const _: () = {
                use #private::AnyReturn as _;

                #check
                #wrapper

                #[automatically_derived]
                impl #private::Task for #applier {
                    const DEF: &'static #private::TaskDef = &#def;
                    #output
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
    } else {
        converted(parameter, name)
    }
}

/// A value for a stored argument, as its field has it.
fn converted(parameter: &Parameter, value: &(impl ToTokens + Spanned)) -> TokenStream {
    if parameter.is_text() {
        quote_spanned!(value.span()=> ::core::convert::Into::into(#value))
    } else {
        quote!(#value)
    }
}

/// The function behind `#[arg(default)]` and `#[arg(default = ..)]`.
fn default_value(parameter: &Parameter) -> Option<TokenStream> {
    let (name, ty) = (default_name(parameter), stored_type(parameter));
    let value = match parameter.default.as_ref()? {
        Fallback::Default => {
            quote_spanned!(parameter.written.span()=> ::core::default::Default::default())
        }
        Fallback::Value(value) => converted(parameter, &**value),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proc_macro2::TokenTree;

    use super::*;

    /// A declaration with everything that is expanded.
    fn expanded(options: TokenStream) -> TokenStream {
        let item = quote! {
            /// Doc.
            pub(crate) async fn email(
                to: String,
                #[arg(default)] copies: u8,
                #[arg(default = "x")] subject: &str,
                mailer: &Mailer,
                connection: &mut Connection,
                ctx: &Ctx,
            ) -> Result<u8, Mishap> { Ok(1) }
        };
        attribute(Attribute::Task, options, &item)
    }

    /// The same with schedules of every kind.
    fn scheduled(options: TokenStream) -> TokenStream {
        let item = quote! {
            #[date_task(run_date = "2030-01-01", schedule = "b", args("ada", 3))]
            #[interval_task(minutes = 10, schedule = "c", args("ada"))]
            fn email(to: String, #[arg(default)] copies: u8, subject: Option<u8>) {}
        };
        attribute(Attribute::Cron, options, &item)
    }

    fn flat(tokens: TokenStream, all: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    all.push("(".to_owned());
                    flat(group.stream(), all);
                    all.push(")".to_owned());
                }
                other => all.push(other.to_string()),
            }
        }
    }

    /// The first words of the absolute paths in some code.
    fn roots(tokens: TokenStream) -> BTreeSet<String> {
        let mut words = Vec::new();
        flat(tokens, &mut words);
        let is_word = |word: &str| word.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        words
            .windows(4)
            .filter(|four| four[1] == ":" && four[2] == ":" && !is_word(&four[0]) && four[0] != ">")
            .map(|four| four[3].clone())
            .collect()
    }

    #[test]
    fn only_taskx_and_the_standard_library_are_named() {
        let tokens = expanded(quote!(backoff = "2s..1h", timeout = "3s", queue = "mail"));
        let expected = ["core", "std", "taskx"].map(str::to_owned);
        assert_eq!(roots(tokens), BTreeSet::from(expected.clone()));
        let tokens = scheduled(quote!(hour = 5, schedule = "a", args("ada")));
        assert_eq!(roots(tokens), BTreeSet::from(expected));
    }

    #[test]
    fn another_path_stands_for_taskx_everywhere() {
        let tokens = expanded(quote!(crate = "framework::jobs", backoff = "2s..1h"));
        let text = tokens.to_string();
        assert!(
            !text.contains("taskx") && text.contains("framework :: jobs :: __private"),
            "{text}"
        );
        assert!(text.contains("framework::jobs::__private::serde"), "{text}");
        assert_eq!(roots(tokens), BTreeSet::from(["core", "std"].map(str::to_owned)));
        let tokens = scheduled(quote!("@daily", schedule = "a", args("ada"), crate = "jobs"));
        assert_eq!(tokens.to_string().matches("ScheduleDef").count(), 3);
        // The crate's own parts are found below taskx, wherever that is.
        let text = tokens.to_string().replace(":: taskx_schedule ::", "::");
        assert!(!text.contains("taskx"), "{text}");
        assert_eq!(roots(tokens), BTreeSet::from(["core", "std"].map(str::to_owned)));
    }

    #[test]
    fn a_mistake_leaves_the_function_and_the_applier() {
        let text = expanded(quote!(queu = "mail")).to_string();
        assert_eq!(text.matches("compile_error").count(), 1, "{text}");
        for part in ["async fn email", "struct Email", "fn apply", "Task for Email"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Nothing that only a whole task may do.
        assert!(!text.contains("submit") && !text.contains("decode"), "{text}");
        let broken = attribute(
            Attribute::Task,
            TokenStream::new(),
            &quote!(
                struct Office;
            ),
        );
        assert!(broken.to_string().starts_with("struct Office ;"), "{broken}");
    }
}
