{#- A whole name in one field, split into given, middle and family name.

    Four ways of writing are told apart, in this order:
    1. `Müller, Anna Maria`: what stands before the comma is the family name.
    2. Han, kana or Hangul letters: the family name stands first. With a blank it is the first word. Without, it is the
       first letter of two or three, the first two of four, and the first two of three when these are one of the
       compound surnames.
    3. One word: a mononym, kept as the given name.
    4. Otherwise the first word is the given name and the last word the family name, with the particles before it
       (`Anna de la Cruz`, `Jan van der Berg`); what stands between is the middle name.
    Titles before and generation suffixes after the name are no part of it.

    Known limits: of two Spanish surnames without a particle the first is taken for a middle name, and a Japanese name
    of three letters may be split one letter too early. Both only weaken evidence in matching, they do not falsify it. -#}

{% macro name_text(expression) -%}
    {%- set titles = 'mr|mrs|ms|miss|mx|dr|prof|sir|herr|frau|monsieur|madame|sr|sra' -%}
    {%- set suffixes = 'jr|sr|ii|iii|iv|phd|md' -%}
    nullif(
        trim({{ replace_all(replace_all(replace_all(
            expression,
            '\\s+', ' '),
            '(?i)^ ?((' ~ titles ~ ')[.]? )+', ''),
            '(?i),? (' ~ suffixes ~ ')[.]? ?$', '')
        }}),
        ''
    )
{%- endmacro %}

{% macro given_name_of(name) -%}
    case
        when {{ name_has_comma(name) }} then nullif(split_part(trim(split_part({{ name }}, ',', 2)), ' ', 1), '')
        when {{ name_is_cjk(name) }} and {{ name_has_blank(name) }}
            then {{ extract_group(name, '^\\S+ (.+)$', 1) }}
        when {{ name_is_cjk(name) }} and length({{ name }}) between 2 and 4
            then substr({{ name }}, {{ cjk_family_length(name) }} + 1)
        when {{ name_has_blank(name) }} then {{ extract_group(name, western_name_pattern(), 1) }}
        else {{ name }}
    end
{%- endmacro %}

{% macro middle_name_of(name) -%}
    case
        when {{ name_has_comma(name) }}
            then {{ extract_group("trim(split_part(" ~ name ~ ", ',', 2))", '^\\S+ (.+)$', 1) }}
        when {{ name_is_cjk(name) }} then null
        when {{ name_has_blank(name) }} then {{ extract_group(name, western_name_pattern(), 2) }}
    end
{%- endmacro %}

{% macro family_name_of(name) -%}
    case
        when {{ name_has_comma(name) }} then nullif(trim(split_part({{ name }}, ',', 1)), '')
        when {{ name_is_cjk(name) }} and {{ name_has_blank(name) }} then split_part({{ name }}, ' ', 1)
        when {{ name_is_cjk(name) }} and length({{ name }}) between 2 and 4
            then substr({{ name }}, 1, {{ cjk_family_length(name) }})
        when {{ name_has_blank(name) }} then {{ extract_group(name, western_name_pattern(), 3) }}
    end
{%- endmacro %}

{#- The parts put together as their bearers write them: Han, kana and Hangul names with the family name first. -#}
{% macro full_name_of(given_name, middle_name, family_name) -%}
    case
        when {{ name_is_cjk("concat(" ~ family_name ~ ", " ~ given_name ~ ")") }}
            then concat({{ family_name }}, {{ given_name }})
        else nullif(concat_ws(' ', {{ given_name }}, {{ middle_name }}, {{ family_name }}), '')
    end
{%- endmacro %}

{% macro western_name_pattern() -%}
    {%- set particles = "de|del|della|di|da|do|dos|das|du|des|la|las|los|le|van|von|der|den|het|ter|ten|zu|zum|zur|af|av"
        ~ "|al|el|bin|ibn|bint|ben|san|st[.]?|vande|van't|d'|y|e" -%}
    {{- '(?i)^(\\S+) (?:(.+?) )??((?:(?:' ~ (particles | replace("'", "''")) ~ ') )*\\S+)$' -}}
{%- endmacro %}

{% macro cjk_family_length(name) -%}
    {%- set compound_surnames = [
        '欧阳', '歐陽', '司马', '司馬', '诸葛', '諸葛', '上官', '司徒', '东方', '東方', '令狐', '皇甫', '尉迟', '尉遲',
        '慕容', '남궁', '황보', '제갈', '선우', '독고', '사공', '서문'
    ] -%}
    case
        when length({{ name }}) = 4 then 2
        when length({{ name }}) = 3 and substr({{ name }}, 1, 2) in ('{{ compound_surnames | join("', '") }}') then 2
        else 1
    end
{%- endmacro %}

{% macro name_has_comma(name) -%}
    strpos({{ name }}, ',') > 0
{%- endmacro %}

{% macro name_has_blank(name) -%}
    strpos({{ name }}, ' ') > 0
{%- endmacro %}

{% macro name_is_cjk(name) -%}
    {{ matches(name, '^[' ~ cjk_letters() ~ ' ・·]+$') }}
{%- endmacro %}
