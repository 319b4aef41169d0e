//! The schedules in a task's definition: triggers as constants, so that nothing is parsed when the
//! program starts.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use taskx_schedule::{
    __private::{CronParts, DateParts, IntervalParts, TriggerParts},
    Misfire,
};

use super::{Expansion, converted, definition::duration};
use crate::{
    schedule::Schedule,
    signature::{Fallback, Parameter},
};

impl Expansion<'_> {
    /// The `ScheduleDef`s.
    pub(super) fn schedules(&self) -> Vec<TokenStream> {
        let schedules = self.task.schedules.iter().filter(|_| self.is_whole);
        schedules.filter_map(|schedule| self.schedule(schedule)).collect()
    }

    fn schedule(&self, schedule: &Schedule) -> Option<TokenStream> {
        let private = &self.private;
        let settings = &schedule.settings;
        let name = settings.name.as_ref().map_or_else(|| self.task.name(), syn::LitStr::value);
        let zoneless = match &schedule.zoneless {
            Some(text) => quote!(::core::option::Option::Some(#text)),
            None => quote!(::core::option::Option::None),
        };
        let parts = self.parts(&schedule.trigger.as_ref()?.parts());
        let args = self.args(schedule, &name);
        let misfire = match settings.misfire {
            Misfire::Skip => quote!(Skip),
            Misfire::All { max } => quote!(All { max: #max }),
            _ => quote!(Latest),
        };
        let overlap = if settings.may_overlap { quote!(Allow) } else { quote!(Skip) };
        let (grace, jitter) = (duration(schedule.misfire_grace()), duration(settings.jitter));
        let line = u32::try_from(schedule.place.start().line).unwrap_or(0);
        Some(quote! {
            #private::ScheduleDef {
                name: #name,
                trigger: || {
                    const PARTS: #private::taskx_schedule::__private::TriggerParts = #parts;
                    match PARTS.trigger() {
                        ::core::result::Result::Ok(trigger) => trigger,
                        // Read by this very version when the program was compiled.
                        ::core::result::Result::Err(error) => ::core::panic!("{}", error),
                    }
                },
                zoneless: #zoneless,
                args: || #args,
                misfire: #private::Misfire::#misfire,
                misfire_grace: #grace,
                overlap: #private::Overlap::#overlap,
                jitter: #jitter,
                file: ::core::file!(),
                line: #line,
            }
        })
    }

    /// The arguments of the schedule's jobs, as JSON.
    fn args(&self, schedule: &Schedule, name: &str) -> TokenStream {
        let Self { task, applier, private, .. } = self;
        let values = schedule.settings.args.as_ref().map_or(&[][..], |args| &args.values);
        let fields = task.signature.stored().enumerate().map(|(index, parameter)| {
            let field = &parameter.name;
            let value = match values.get(index) {
                Some(value) => converted(parameter, value),
                None => self.left_out(parameter),
            };
            quote!(#field: #value)
        });
        let doing = format!("write the arguments of schedule `{name}` as JSON");
        quote! {
            match #private::serde_json::to_string(&#applier { #(#fields),* }) {
                ::core::result::Result::Ok(text) => ::core::result::Result::Ok(text),
                ::core::result::Result::Err(error) => ::core::result::Result::Err(
                    #private::Error::new(#private::ErrorKind::Payload, #doing).with_source(error),
                ),
            }
        }
    }

    fn left_out(&self, parameter: &Parameter) -> TokenStream {
        let applier = self.applier;
        match &parameter.default {
            Some(Fallback::Default | Fallback::Value(_)) => {
                let default = super::default_name(parameter);
                quote!(#applier::#default())
            }
            None => quote!(::core::option::Option::None),
        }
    }

    fn parts(&self, parts: &TriggerParts) -> TokenStream {
        let private = &self.private;
        let hidden = quote!(#private::taskx_schedule::__private);
        match parts {
            TriggerParts::Cron(cron) => {
                let cron = cron_parts(&hidden, cron);
                quote!(#hidden::TriggerParts::Cron(#cron))
            }
            TriggerParts::Date(DateParts { at, timezone }) => {
                let at = option(*at);
                quote!(#hidden::TriggerParts::Date(#hidden::DateParts { at: #at, timezone: #timezone }))
            }
            TriggerParts::Interval(IntervalParts { seconds, timezone, start, end }) => {
                let (start, end) = (option(*start), option(*end));
                quote! {
                    #hidden::TriggerParts::Interval(#hidden::IntervalParts {
                        seconds: #seconds, timezone: #timezone, start: #start, end: #end,
                    })
                }
            }
        }
    }
}

fn cron_parts(hidden: &TokenStream, parts: &CronParts) -> TokenStream {
    let CronParts {
        years,
        months,
        days,
        nth,
        last_of,
        last,
        weeks,
        weekdays,
        hours,
        minutes,
        seconds,
        timezone,
        start,
        end,
        wall_clock,
    } = parts;
    let years = years.iter().map(|(first, last, step)| quote!((#first, #last, #step)));
    let (start, end) = (option(*start), option(*end));
    quote! {
        #hidden::CronParts {
            years: ::std::borrow::Cow::Borrowed(&[#(#years),*]),
            months: #months,
            days: #days,
            nth: [#(#nth),*],
            last_of: #last_of,
            last: #last,
            weeks: #weeks,
            weekdays: #weekdays,
            hours: #hours,
            minutes: #minutes,
            seconds: #seconds,
            timezone: #timezone,
            start: #start,
            end: #end,
            wall_clock: #wall_clock,
        }
    }
}

fn option<T: ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
