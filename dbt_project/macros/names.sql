{#- A whole name in one field, split into given, middle and family name.

    Four ways of writing are told apart, in this order:
    1. `Müller, Anna Maria`: what stands before the comma is the family name.
    2. Han, kana or Hangul letters: the family name stands first. With a blank it is the first word; without one, see
       cjk_family_length.
    3. One word: a mononym, kept as the given name.
    4. Otherwise the first word is the given name and the last word the family name, with the particles before it
       (`Anna de la Cruz`, `Jan van der Berg`); what stands between is the middle name.
    Titles before and generation suffixes after the name are no part of it.

    Known limits: of two Spanish surnames without a particle the first is taken for a middle name, and a rarer Japanese
    name of three letters is split one letter too early. Both weaken evidence in matching, they do not falsify it. -#}

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
        when {{ name_is_cjk(name) }} and length({{ name }}) between 2 and 5
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
        when {{ name_is_cjk(name) }} and length({{ name }}) between 2 and 5
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

{#- How many of two to five letters written without a blank are the family name. Chinese and Korean family names have one
    letter but for a few compound ones, Japanese ones mostly two; which it is shows only in the letters themselves, so the
    commonest of two and three letters are listed. -#}
{% macro cjk_family_length(name) -%}
    {%- set two_letters = [
        '欧阳', '歐陽', '司马', '司馬', '诸葛', '諸葛', '上官', '司徒', '东方', '東方', '令狐', '皇甫', '尉迟', '尉遲',
        '慕容', '남궁', '황보', '제갈', '선우', '독고', '사공', '서문',
        '佐藤', '鈴木', '高橋', '田中', '伊藤', '渡辺', '渡邊', '山本', '中村', '小林', '加藤', '吉田', '山田', '山口',
        '松本', '井上', '木村', '斎藤', '斉藤', '清水', '山崎', '阿部', '池田', '橋本', '山下', '石川', '中島', '前田',
        '藤田', '後藤', '小川', '岡田', '村上', '近藤', '石井', '坂本', '遠藤', '青木', '藤井', '西村', '福田',
        '太田', '三浦', '岡本', '松田', '中川', '中野', '原田', '小野', '田村', '竹内', '金子', '和田', '中山', '石田',
        '上田', '森田', '柴田', '酒井', '工藤', '横山', '宮崎', '宮本', '内田', '高木', '安藤', '谷口', '大野', '丸山',
        '今井', '武田', '藤原', '村田', '上野', '杉山', '増田', '小島', '千葉', '久保', '平野', '松尾', '菅原', '木下'
    ] -%}
    {%- set three_letters = ['佐々木', '長谷川', '五十嵐', '佐久間', '小笠原', '大久保', '久保田', '宇都宮', '長谷部'] -%}
    case
        when length({{ name }}) >= 4 and substr({{ name }}, 1, 3) in ('{{ three_letters | join("', '") }}') then 3
        when length({{ name }}) >= 4 then 2
        when length({{ name }}) = 3 and substr({{ name }}, 1, 2) in ('{{ two_letters | join("', '") }}') then 2
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
