//! Room `model`, format `jinja`, tests: what Jinja2 itself makes of the templates. Those that act are rendered by its own
//! environment in a child that ends at the first act.

use super::given;
use super::hostile::HOSTILE;
use super::ordinary::ORDINARY;
use crate::testing::python;

/// Prints whether each template acts; a child of its own for each, which ends at the first act.
const RENDER: &str = r"
import os, struct, sys
import jinja2
def render(text):
    def hook(name, args):
        if name in ('os.system', 'os.rename', 'subprocess.Popen'):
            os.write(1, b'acts\n')
            os._exit(0)
    environment = jinja2.Environment(extensions=['jinja2.ext.loopcontrols'])
    sys.addaudithook(hook)
    given = dict(boi='__init__', eod='__new__', eoi='__globals__', img='os') # extra_special_tokens of a tokenizer's configuration
    try: environment.from_string(text).render(messages=[{'role': 'user', 'content': 'x'}], tools=[], **given)
    except Exception as error: os.write(1, ('none ' + type(error).__name__ + '\n').encode())
    else: os.write(1, b'none\n')
    os._exit(0)
data = sys.stdin.buffer
while head := data.read(4):
    text = data.read(struct.unpack('<I', head)[0]).decode()
    if pid := os.fork(): os.waitpid(pid, 0)
    else: render(text)
";

#[test]
#[ignore = "needs model-peers: renders each hostile template in a child that ends at its first act"]
fn the_templates_act_in_jinja2() {
    let acting =
        HOSTILE.iter().filter(|(.., acts)| *acts).map(|(name, text, ..)| (*name, (*text).to_owned()));
    let acting: Vec<_> = acting.chain(given::templates()).collect();
    let printed = python::peers(RENDER, &python::frames(acting.iter().map(|(_, text)| text.as_bytes())));
    let seen: Vec<_> = acting.iter().map(|(name, _)| *name).zip(printed.lines()).collect();
    let expected: Vec<_> = acting.iter().map(|(name, _)| (*name, "acts")).collect();
    assert_eq!(seen, expected);
}

/// Parses each template and says how it went.
const PARSE: &str = r"
import struct, sys
import jinja2
environment = jinja2.Environment(extensions=['jinja2.ext.loopcontrols'])
data = sys.stdin.buffer
while head := data.read(4):
    text = data.read(struct.unpack('<I', head)[0]).decode()
    for word in ('{% generation %}', '{% endgeneration %}'): text = text.replace(word, '')
    try: environment.from_string(text)
    except Exception as error: print(error)
    else: print('parsed')
";

#[test]
#[ignore = "needs model-peers: parses each ordinary template with Jinja2"]
fn ordinary_templates_are_templates_for_jinja2() {
    let all = ORDINARY;
    let printed = python::peers(PARSE, &python::frames(all.iter().map(|(_, text)| text.as_bytes())));
    let seen: Vec<_> = all.iter().map(|(name, _)| *name).zip(printed.lines()).collect();
    assert!(seen.iter().all(|(_, line)| *line == "parsed") && seen.len() == all.len(), "{seen:?}");
}
