"""What people say and what docstrings say: words without weight, abbreviations, synonyms, and phrases that have a name.

These are facts about programmers' language, not about any index. They are written as plain words, a fact a line, and
reduced to stems when the module is loaded.
"""

from __future__ import annotations

from .words import stem

__all__ = ["ABBREVIATIONS", "RELATED", "STOP_WORDS", "Said", "WEAK_WORDS"]

STOP_WORDS = frozenset(
    """
    a about above after again all allow allows already also always am an and another any anyone anything are aren as
    at be because been before being best better both but by came can cannot come could couldn d did didn different do
    does doesn doing don done each easily easy either else enough etc every everything example examples explain few
    for from gave get gets getting give given gives giving go goes going good got had has have having he help her here
    hi him his how however i idea if in instead into involved is isn it its itself just know let like ll look m make
    makes making many may maybe me mean means might more most much must my myself need needed needs neither nice no nor
    not now of off often on once one ones only onto or other others our out over own people please possible preferably
    proper properly provide provides put python pythonic quick quickly re really recommended right s same say see
    several shall she should show simple simplest simply so some somehow someone something stdlib still such
    suggest sure t take takes tell than thank thanks that the their them then there these they thing things this those
    through thus to too towards try trying under until up upon us use used useful uses using ve very via want wanted
    wants was way ways we well were what when where whether which while who whole whom whose why will wish with within
    won work works would write yes yet you your
    certain correctly efficiently given operation operations own particular specific various
    api builtin builtins built code library libraries program programs script scripts
    """.split()
)

# Words of half weight: most questions have them, whatever they ask for.
_WEAK = """
    between calculate check class compute convert create data define determine element file find function generate handle
    implement item list method module multiple name number object obtain package perform run set two type value
"""

# Parts of identifiers, and the words that they stand for.
_ABBREVIATIONS = """
    abc: abstract base class
    abs: absolute
    addr: address
    arg: argument
    argv: command line arguments
    attr: attribute
    b64: base64
    cal: calendar
    ceil: ceiling
    ch: change
    chr: character
    cls: class
    cmd: command
    cmp: compare
    comb: combinations
    config: configuration
    conn: connection
    csv: comma separated values
    ctx: context
    cwd: current working directory
    db: database
    del: delete
    dev: deviation
    dict: dictionary
    diff: difference
    dir: directory
    dirs: directories
    div: divide
    doc: documentation
    dst: destination
    env: environment variable
    environ: environment variables
    eq: equal
    err: error
    eval: evaluate
    exc: exception
    exec: execute
    expr: expression
    ext: extension
    fd: file descriptor
    fn: filename
    func: function
    gcd: greatest common divisor
    id: identifier
    idx: index
    info: information
    init: initialize
    int: integer
    iter: iterate
    kw: keyword
    lcm: least common multiple
    len: length
    lex: lexical
    lru: least recently used
    max: maximum largest
    mem: memory
    min: minimum smallest
    mk: make
    mod: modulo
    msg: message
    mtime: modification time
    mul: multiply
    neg: negative
    num: number
    obj: object
    op: operator
    ord: ordinal
    param: parameter
    perf: performance
    perm: permutations
    pid: process identifier
    pow: power
    ppid: parent process identifier
    proc: process
    prod: product
    pwd: password
    rand: random
    re: regular expression
    ref: reference
    rel: relative
    repr: representation
    rev: reverse
    rm: remove
    sched: schedule
    sem: semaphore
    strftime: format time
    strptime: parse time
    sep: separator
    seq: sequence
    sig: signal
    sqrt: square root
    src: source
    stdev: standard deviation
    str: string
    sub: substitute
    sync: synchronize
    sys: system
    tb: traceback
    temp: temporary
    tmp: temporary
    tz: time zone
    uid: user identifier
    utc: universal time
    uuid: universally unique identifier
    val: value
    var: variable
    xml: markup
    zip: archive
"""

# Words that mean the same to a programmer; each finds the others.
_SAME = """
    abort cancel
    acquire lock
    add append insert
    average mean
    batch chunk
    big large
    calculate compute
    char character
    choose pick select choice
    clear empty
    clone copy duplicate
    combine merge join concatenate
    command subprocess shell
    concurrent parallel
    config configuration
    count counter occurrence
    cpu processor
    create make new
    db database
    delay sleep pause wait
    delete remove unlink erase
    delimiter separator
    dictionary dict mapping
    digest hash checksum
    directory folder dir
    email mail
    epoch timestamp
    end finish terminate complete done
    enumeration enum
    equal same identical
    error exception
    eval evaluate
    event signal
    execute run
    exit quit
    extension suffix
    fetch retrieve download
    find search locate
    format formatting
    float floating
    gzip gz
    hex hexadecimal
    host hostname
    html htm
    identifier id
    immutable frozen readonly
    index position
    integer int
    integers ints
    invoke call
    ip ipaddress
    iterate loop
    kill terminate
    kind type
    largest maximum max biggest
    launch start spawn
    length len size
    link symlink
    load read
    lookup find
    lowercase lower
    median middle
    message msg
    method function
    monitor watch
    octal oct
    order sort sorted
    parameter argument
    parse parser
    permission mode
    random rand
    regex regexp
    rename move
    replace substitute
    reverse reversed
    save write dump store
    send transmit
    separate split
    sequence list
    shuffle permute
    smallest minimum min
    sqlite sqlite3
    stop cancel
    string text str
    strip trim
    sum total add
    symlink symbolic
    temporary temp tmp
    timezone tz zoneinfo
    traverse walk
    truncate shorten
    unique distinct
    unix posix
    unpack extract
    uppercase upper
    utc gmt
    variable var
    wrap wrapper
"""

# What a question says, and what the answer may be called; words of a phrase stand next to each other.
_HINTS = """
    abstract: abc
    accurate: precise
    alphabet: ascii letters
    argument: argparse
    asynchronous: asyncio async coroutine await
    attachment: add_attachment mime multipart
    await: coroutine asyncio
    background: thread daemon
    backtrace: traceback
    benchmark: timeit
    binary search: bisect
    bits: binary bit_count
    breakpoint: pdb debugger
    browser: webbrowser
    cache: lru_cache
    capitalize: title
    cartesian product: product itertools
    case insensitive: casefold ignorecase
    certificate: ssl
    child process: subprocess
    circular: deque cycle
    class: type
    clock: time monotonic
    close match: get_close_matches difflib
    columns: table
    command line: argparse argv
    complete: completer
    compress: zlib gzip bz2 lzma zipfile
    concurrent: thread executor gather
    constant: final
    context manager: contextmanager contextlib
    convert: converter conversion
    coroutine: async task
    cpu time: process_time
    cryptographic: secrets hmac hashlib
    csv: reader
    currency: locale
    current date: today now
    current directory: getcwd
    current time: now time
    data class: dataclass
    dataclass: dataclasses
    date: datetime
    day week: weekday isoweekday
    days: timedelta
    debug: pdb
    decompress: extract
    decorator: wraps wrapper
    deep copy: deepcopy
    default: defaultdict setdefault missing
    dependency: topological graphlib
    descending: reverse
    deserialize: loads load
    disassemble: dis bytecode
    disk: usage
    disk space: disk_usage
    docstring: getdoc documentation
    duration: timedelta elapsed
    edit distance: difflib
    elapsed: perf_counter monotonic
    encrypt: ssl
    entities: escape unescape
    environment: environ
    environment variable: environ getenv
    epoch: timestamp
    escape: quote
    event loop: asyncio run
    exact: decimal fraction
    exit code: returncode
    exit handler: atexit
    exit: atexit
    expire: timeout
    fake: mock
    fifo: queue
    file descriptor: fd fileno
    file exists: exists is_file
    file extension: splitext suffix
    file name: filename basename
    file size: getsize stat
    first in: fifo
    fixed size: maxlen
    flatten: chain iterable
    fold: reduce
    forever: cycle
    free space: disk_usage
    frequency: counter most_common
    ftp: ftplib
    garbage: gc
    generic: typevar typing
    getter: property
    graph: topological
    grep: search regular
    group: groupby
    gui: tkinter
    hash: hashlib sha256
    header: fieldnames field
    hide: getpass
    home: expanduser
    hours: timedelta
    immutable: namedtuple frozenset
    increment: count
    indent: textwrap
    infinite: cycle count
    ini: configparser
    inspect: getmembers
    interactive: cmd repl
    ip address: ipaddress
    iso: isoformat fromisoformat
    key press: getch
    keyboard: sigint keyboardinterrupt
    keyboard interrupt: sigint
    lazy: iterator islice
    leak: tracemalloc
    leap year: isleap
    levenshtein: difflib
    lifo: stack lifoqueue
    linked list: deque
    list files: listdir scandir iterdir glob
    logging: getlogger
    loop index: enumerate
    machine: platform
    mailbox: mbox
    memoize: cache lru_cache
    memory: tracemalloc getsizeof
    memory leak: tracemalloc
    merge: chainmap heapq
    mime: mimetypes
    mime type: guess_type mimetypes
    minutes: timedelta
    mock: patch
    modification time: getmtime stat
    money: decimal
    most common: counter most_common
    mutex: lock
    named tuple: namedtuple
    nested: recursively
    newline: splitlines
    nth: islice
    occurrence: counter
    operating system: platform os
    option: argparse
    ordered: ordereddict
    overload: singledispatch
    pad: zfill ljust rjust
    pairs: pairwise zip
    parallel: multiprocessing pool executor
    parent directory: parent dirname
    password: getpass secrets
    percentile: quantiles
    persistent: shelve
    pipe: stdout popen
    platform: uname
    plural: ngettext
    precise: performance
    precision: decimal
    pretty print: pprint
    priority: heap heapq
    priority queue: priorityqueue heapq
    probability: distribution
    process: subprocess multiprocessing
    process pool: processpoolexecutor
    profile: cprofile profiler
    prompt: input
    quantile: quantiles
    query string: urlencode parse_qs
    read only: mappingproxytype
    regular expression: re pattern
    relative path: relpath relative_to
    reload: importlib
    remainder: modulo divmod
    repl: console interpreter interactive
    request: urlopen
    ring buffer: deque
    rolling: deque rotating
    rotate: rotating
    round: quantize
    running total: accumulate
    same file: samefile
    scheduler: sched call_later
    serialize: dump dumps pickle json
    set: frozenset
    settings: configparser
    shared memory: sharedmemory
    shell: quote shlex
    similar: get_close_matches difflib
    similarity: sequencematcher ratio
    singleton: cache
    sliding window: deque
    sort key: itemgetter attrgetter key
    sorted list: bisect insort
    spawn: popen
    spreadsheet: csv
    sql: sqlite sqlite3
    square root: sqrt isqrt
    stack: lifoqueue
    stack trace: traceback
    standard deviation: stdev
    standard error: stderr
    standard input: stdin
    standard output: stdout redirect_stdout
    static method: staticmethod
    stopwatch: perf_counter
    subclass: abc
    substring: find
    suppress: contextlib
    swap: exchange
    symbolic link: symlink
    system: platform
    tcp: socket
    template: substitute
    temporary: tempfile
    temporary directory: temporarydirectory mkdtemp
    temporary file: temporaryfile namedtemporaryfile
    terminal: curses tty get_terminal_size
    testing: unittest
    thread local: local threading
    thread pool: threadpoolexecutor
    thread safe: queue lock
    time zone: zoneinfo timezone
    timestamp: fromtimestamp
    token: secrets
    transpose: zip
    tree: recursively
    type hint: typing annotations
    udp: datagram
    unhandled exception: excepthook
    union: chainmap
    unit test: unittest testcase
    unzip: extractall zipfile
    url: urllib
    url parameters: urlencode parse_qs
    user name: getuser
    variance: statistics
    virtual environment: venv
    weak reference: weakref ref
    web page: urlopen
    web server: http httpserver
    weekday: day
    whitespace: strip split
    wildcard: glob fnmatch
    window: tkinter
    word frequency: counter
    worker: pool executor thread
    xml: etree elementtree
    regex: re pattern regular expression
    regexp: re pattern regular expression
    double ended: deque
    index loop: enumerate
    two list: zip
    limit time: timeout
    same time: parallel concurrently
    enumeration: enum
    string number: isdigit isnumeric
    frequent: most_common counter mode
    multiple delimiter: re split
    runtime: dynamically dynamic
    executable: command which
    web: http url
    zip file: zipfile
"""


Said = tuple[str, ...]


WEAK_WORDS = frozenset(stem(word) for word in _WEAK.split())


def _relate() -> dict[Said, tuple[str, ...]]:
    """Map the stems of what is said (one word, or two in the order of the alphabet) to the words that may answer it."""
    related: dict[Said, dict[str, None]] = {}
    for line in _SAME.strip().splitlines():
        for word in line.split():
            others = (other for other in line.split() if other != word)
            related.setdefault((stem(word),), {}).update(dict.fromkeys(others))
    for line in _HINTS.strip().splitlines():
        said, _, names = line.partition(":")
        key = tuple(sorted(stem(word) for word in said.split()))
        related.setdefault(key, {}).update(dict.fromkeys(names.split()))
    return {key: tuple(words) for key, words in related.items()}


ABBREVIATIONS: dict[str, tuple[str, ...]] = {
    short.strip(): tuple(full.split()) for short, _, full in (line.partition(":") for line in _ABBREVIATIONS.split("\n"))
}
RELATED = _relate()
