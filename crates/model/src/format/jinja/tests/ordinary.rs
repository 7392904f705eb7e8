//! Room `model`, format `jinja`, tests: templates of our own, written with what templates of models use: slices, namespaces,
//! recursive macros, loop controls, filters and tests. All of them must come out clean.
#![expect(clippy::needless_raw_string_hashes, reason = "a template may hold quotes of both kinds")]

/// Name and text.
pub(super) const ORDINARY: &[(&str, &str)] = &[
    (
        "turns",
        r#"{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '[rules]
Answer in whole sentences.[end]
' }}{% endif %}{{ '[' + m['role'] + ']
' + m['content'] + '[end]' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '[reply]
' }}{% endif %}"#,
    ),
    (
        "strict-turns",
        r#"{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set preface = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set preface = false %}{% endif %}{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turn ' ~ loop.index ~ ' is not of who has to speak') }}{% endif %}{% if loop.index0 == 0 and preface != false %}{% set body = '(preface)\n' + preface + '\n(body)\n' + m['content'] %}{% else %}{% set body = m['content'] %}{% endif %}{% if m['role'] == 'user' %}{{ bos_token + '(ask) ' + body.strip() + ' (tell)' }}{% elif m['role'] == 'assistant' %}{{ ' ' + body.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"#,
    ),
    (
        "dated-with-tools",
        r#"{{- bos_token }}
{%- if own_tools is defined %}{%- set tools = own_tools %}{%- endif %}
{%- if not today is defined %}
    {%- if strftime_now is defined %}{%- set today = strftime_now("%A, %d %B") %}
    {%- else %}{%- set today = "a day that nobody told" %}{%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set head = "" %}
{%- if messages[0]['role'] == 'system' %}
    {%- set head = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- "== head\nIt is " + today + ".\n" }}
{%- if built_in is defined %}{{- "On board: " + built_in | reject('equalto', 'shell') | join(" and ") + ".\n" }}{%- endif %}
{%- if tools is not none and not tools_later %}
    {%- for it in tools %}{{- it | tojson(indent=2) }}{{- "\n" }}{%- endfor %}
{%- endif %}
{{- head ~ "\n" }}
{%- for m in messages %}
    {%- if not (m.role == 'tool' or 'tool_calls' in m) %}
        {{- '== ' + m['role'] + '\n' + m['content'] | trim + '\n' }}
    {%- elif 'tool_calls' in m %}
        {%- if not m.tool_calls|length == 1 %}{{- raise_exception("one call a turn") }}{%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {%- if built_in is defined and call.name in built_in %}
            {{- "run " + call.name + " with " }}
            {%- for key, value in call.arguments | items %}
                {{- key + ': ' + value }}{%- if not loop.last %}{{- "; " }}{%- endif %}
            {%- endfor %}
        {%- else %}
            {{- '{"call": "' + call.name + '", "with": ' }}{{- call.arguments | tojson }}{{- "}" }}
        {%- endif %}
    {%- elif m.role == "tool" %}
        {%- if m.content is mapping or m.content is iterable %}{{- m.content | tojson }}
        {%- else %}{{- m.content }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '== reply\n' }}{%- endif %}
"#,
    ),
    (
        "notes-before-the-answer",
        r#"{%- set seen = namespace(looking=true, last=messages|length - 1) %}
{%- for m in messages[::-1] %}
    {%- set place = (messages|length - 1) - loop.index0 %}
    {%- if seen.looking and m.role == "user" and m.content is string and not(m.content.startswith('[result]') and m.content.endswith('[done]')) %}
        {%- set seen.looking = false %}
        {%- set seen.last = place %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- set body = m.content if m.content is string else '' %}
    {%- if m.role == "assistant" %}
        {%- set notes = '' %}
        {%- if m.notes is string %}{%- set notes = m.notes %}
        {%- elif '[/notes]' in body %}
            {%- set notes = body.split('[/notes]')[0].rstrip('\n').split('[notes]')[-1].lstrip('\n') %}
            {%- set body = body.split('[/notes]')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > seen.last %}{{- '[notes]' + notes.strip('\n') + '[/notes]' + body.lstrip('\n') }}
        {%- else %}{{- body }}{%- endif %}
        {%- for call in m.tool_calls or [] %}
            {%- if (loop.first and body) or (not loop.first) %}{{- '\n' }}{%- endif %}
            {%- if call.function %}{%- set call = call.function %}{%- endif %}
            {{- '[call]' ~ call.name ~ ' ' }}
            {{- call.arguments if call.arguments is string else call.arguments | tojson }}
        {%- endfor %}
    {%- elif m.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '[results]' }}{%- endif %}
        {{- '[result]' }}{{- body }}{{- '[done]' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '[/results]' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt and without_notes is defined and without_notes is false %}{{- '[notes]' }}{%- endif %}"#,
    ),
    (
        "types-by-a-macro",
        r#"{%- macro named(shape) %}
{%- set short = {"number": "a number", "integer": "a count", "boolean": "yes or no"} %}
{%- if short[shape.type] is defined %}
    {{- short[shape.type] }}
{%- elif shape.type == "array" %}
    {{- "several of " + named(shape|items) }}
{%- elif shape.type == "object" %}
    {%- if shape.others is defined %}{{- "a table of " + named(shape.others) + ' by name' }}{%- else %}{{- "a table" }}{%- endif %}
{%- elif shape.type is iterable %}
    {%- for one in shape.type %}
        {{- named({"type": one}) }}{%- if not loop.last %}{{- " or " }}{%- endif %}
    {%- endfor %}
{%- else %}{{- "anything" }}{%- endif %}
{%- endmacro %}
{{- bos_token }}{{- 'At hand:\n' }}
{%- for it in tools %}
    {%- if it.function is defined %}{%- set it = it.function %}{%- endif %}
    {{- it.name + ' takes ' }}
    {%- for key, shape in it.parameters.properties|items %}
        {{- key + ", " + named(shape) }}{%- if not loop.last %}{{- "; " }}{%- endif %}
    {%- endfor %}
    {%- if it.return is defined %}{{- ", gives " + named(it.return) }}{%- endif %}
    {{- it.parameters|tojson + '\n' }}
{%- endfor %}"#,
    ),
    (
        "generation-and-loop-controls",
        r#"{{ bos_token }}{%- for message in messages -%}
{%- if message.role == 'system' -%}{%- continue -%}{%- endif -%}
{%- if message.role == 'stop' -%}{%- break -%}{%- endif -%}
{%- if message.role == 'assistant' -%}<|assistant|>
{% generation %}{{ message.content ~ eos_token }}{% endgeneration %}
{%- else -%}<|{{ message.role }}|>{{ message.content }}
{%- endif -%}
{%- endfor -%}"#,
    ),
    (
        "order-of-turns-in-a-namespace",
        r#"{%- set rest = messages[1:] if messages[0]["role"] == "system" else messages %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set asked = rest | selectattr("role", "equalto", "user") | list %}
{#- Calls and their results are no turns. -#}
{%- set count = namespace() %}
{%- set count.turns = 0 %}
{%- for m in rest %}
    {%- if not (m.role == "tool" or (m.tool_calls is defined and m.tool_calls is not none)) %}
        {%- if (m["role"] == "user") != (count.turns % 2 == 0) %}{{- raise_exception("who asks twice gets no answer") }}{%- endif %}
        {%- set count.turns = count.turns + 1 %}
    {%- endif %}
{%- endfor %}
{%- for m in rest %}
    {%- if m["role"] == "user" %}
        {%- if tools is not none and (m == asked[-1]) %}
            {%- for it in tools %}
                {%- set it = it.function %}
                {%- for key, value in it.items() if key != "secret" %}
                    {%- if value is string %}{{- key + ' is "' + value + '"' }}{%- else %}{{- key + ' is ' + value|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
            {%- endfor %}
        {%- endif %}
        {{- "(ask) " + m["content"] }}
    {%- elif m.tool_calls is defined and m.tool_calls is not none %}
        {%- for call in m.tool_calls %}
            {%- set text = call.function|tojson %}
            {{- text[:-1] }}
            {%- if not call.id is defined or call.id|length < 4 %}{{- raise_exception("a call without a name of its own") }}{%- endif %}
            {{- ', "as": "' + call.id + '"}' }}
        {%- endfor %}
    {%- endif %}
{%- endfor %}"#,
    ),
    (
        "pictures-among-words",
        r#"{{ bos_token }}{% set pictures = namespace(value=0) %}{% if messages[0]['content'] is string %}{% set preface = messages[0]['content'] + '
' %}{% else %}{% set preface = messages[0]['content'][0]['text'] + '
' %}{% endif %}{% for m in messages %}{% set who = 'model' if (m['role'] == 'assistant') else m['role'] %}{{ '(' + who + ')' + (preface if loop.first else "") }}{% if m['content'] is string %}{{ m['content'] | trim }}{% elif m['content'] is iterable %}{% for part in m['content'] %}{% if part['type'] == 'image' or 'image' in part %}{% set pictures.value = pictures.value + 1 %}{% if number_pictures %}picture {{ pictures.value }}: {% endif %}(picture){% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% else %}{{ raise_exception("neither words nor parts") }}{% endif %}
{% endfor %}"#,
    ),
    (
        "signatures-of-tools",
        r#"{%- macro shown(shape, needed, may_lack=false) -%}
    {%- if shape.type == "array" -%}
        {%- if shape['items'] -%}
            {%- if shape['items']['type'] == "string" -%}{{- "words" }}
            {%- else -%}
                {%- set inner = shown(shape['items'], needed) -%}
                {%- if inner == "table or table" or inner|length > 40 -%}{{- "several" }}{%- else -%}{{- "several " + inner }}{%- endif -%}
            {%- endif -%}
        {%- endif -%}
    {%- elif shape.type is defined and shape.type is iterable and shape.type is not string and shape.type is not mapping and shape.type[0] is defined -%}
        {{- shape.type | join(" or ") }}
    {%- elif shape.choices -%}
        {%- for choice in shape.choices -%}
            {{- shown(choice, needed) -}}
            {%- if choice.usual is defined %}{{- " (usually " + choice.usual|tojson + ")" }}{%- endif -%}
            {%- if not loop.last %}{{- " or " }}{% endif -%}
        {%- endfor -%}
    {%- elif shape.words -%}{{- "'" + shape.words|join("' or '") + "'" -}}
    {%- else -%}{{- "anything" }}{%- endif -%}
{%- endmacro -%}
{%- for it in tools %}
    {%- for key, shape in it.function.parameters.properties.items() -%}
        {{- key }}{%- if key not in (it.function.parameters.required or []) -%}{{- " (may lack)" }}{%- endif -%}
        {{- ": " + shown(shape, it.function.parameters.required or []) }}
    {%- endfor %}
{%- endfor %}
{%- set rules = messages[0].content if messages and messages[0].role in ['rules', 'system'] else "" %}
{%- set last = namespace(place=none) -%}
{%- for i in range(messages|length - 1, -1, -1) -%}
    {%- if messages[i].role == "user" and last.place is none -%}{%- set last.place = i -%}{%- endif -%}
{%- endfor -%}
{{- rules ~ "\nCare: " + (care|default("some")) + "\nOn " + strftime_now("%Y/%m/%d") }}"#,
    ),
    (
        "documents",
        r#"{%- set available_tools = tools if tools is defined else [] -%}
{%- macro document_turn(documents) -%}
{%- for doc in documents %}
{{ "Document: " ~ loop.index0 }}
{% for key, value in doc.items() %}{{ key }}: {{ value|string }}
{% endfor %}
{%- endfor -%}
{%- endmacro %}
{%- filter trim %}{{ document_turn(documents) }}{% endfilter %}
{%- set ns = namespace(tool_ids_seen=[], last='') -%}
{%- set system_text -%}Follow the rules.{%- endset -%}
{%- if system_text|length > 0 and documents|selectattr('title')|list|length >= 1 %}{{ system_text|capitalize|replace('rules', 'guide') }}{% endif %}
{%- for message in messages %}
{%- set _ = ns.tool_ids_seen.append(message.tool_call_id) %}
{%- with content = message.content|default('', true) %}{{ content[:200] if content|length > 200 else content }}{% endwith %}
{%- set text = "%s: %s"|format(message.role, message.content) %}{{ text }}
{%- endfor %}
{{ documents|map(attribute='title')|join(', ') }}{{ {'a': 1, 'b': [1, 2,],}.get('a') }}{{ messages|groupby('role')|list|length }}
{{ "{} of {}".format(1, messages|length) }}{{ loop_messages[-1].content|safe if loop_messages }}{{ messages|sort(attribute='role')|first|tojson }}"#,
    ),
    (
        "fields-that-remain",
        r#"{%- set told = ['name', 'type'] %}
{%- macro remaining(table, told) %}
    {%- if table is mapping %}
        {%- for key in table if key not in told %}
            {%- if table[key] is mapping or (table[key] is sequence and table[key] is not string) %}
                {{- '\n' ~ key ~ ' = ' ~ (table[key] | tojson | safe) }}
            {%- else %}
                {{- '\n' ~ key ~ ' = ' ~ (table[key] | string) }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
{% endmacro %}
{%- for it in tools %}{{- remaining(it.function, told) }}{%- endfor %}
{%- for m in messages %}
    {%- for call in m.get('tool_calls', []) %}
        {%- for key, value in call.arguments|items %}
            {{- key + ' := ' }}
            {%- set value = value | tojson | safe if value is mapping or (value is sequence and value is not string) else value | string %}
            {{- value }}
        {%- endfor %}
    {%- endfor %}
    {%- if loop.previtem and loop.previtem.role == "tool" %}{{ loop.cycle('odd', 'even') }}{%- endif %}
    {%- set ways = {'search': search_prompt, 'plain': ''} %}{{ ways[m.way] }}{{ m['content'].split('\n')[loop.index0] }}
    {% raw %}{{ left as it is }}{% endraw %}
{%- endfor %}"#,
    ),
    (
        "default-system-message",
        r#"{%- set names = {'system': 'SYSTEM', 'user': 'USER'} %}
{%- if messages[0].role != 'system' %}{%- set messages = [{'role': 'system', 'content': 'Follow the rules.'}] + messages %}{%- endif %}
{%- set style = 'short' if tools else 'long' %}{%- set words = {'short': 'Be brief.', 'long': 'Explain.'} %}{{ words[style] }}
{%- for message in messages[1:] %}{{ names[message.role] ~ ': ' ~ message.content|replace(' ', '_') }}{%- endfor %}"#,
    ),
];
