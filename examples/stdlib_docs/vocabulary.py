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
    through thus to too towards try trying under until upon us use used useful uses using ve very via want wanted
    wants was way ways we well were what when where whether which while who whole whom whose why will wish with within
    won work works would write yes yet you your
    certain correctly efficiently given operation operations own particular specific various
    api builtin builtins built code library libraries program programs script scripts
    """.split()
)

# Words of half weight: most questions have them, whatever they ask for.
_WEAK = """
    between calculate check class compute convert create data define determine element file find function generate handle
    implement item list method module multiple name number object obtain package perform run set two type up value
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
    accurate precise
    acquire lock
    add append insert
    almost approximately close
    average mean
    batch chunk
    big large
    binary bin
    calculate compute
    char character
    choose pick select choice
    clear empty
    clone copy duplicate
    combine merge join concatenate
    command subprocess shell
    compare comparison cmp
    complete completer completion autocomplete
    concurrent parallel
    condition predicate
    config configuration settings
    correlation regression
    count counter occurrence
    create make new
    cumulative accumulate
    db database
    delay sleep pause wait
    delete remove unlink erase
    deserialize load
    dictionary dict mapping
    difference diff
    digest hash checksum
    directory folder dir
    download fetch retrieve
    element item
    email mail
    emit issue raise throw
    end finish terminate complete done
    enumeration enum
    epoch timestamp
    equal same identical
    error exception
    eval evaluate
    event signal
    execute run
    exit quit
    find search locate lookup
    float floating
    freeze frozen immutable
    gzip gz
    hex hexadecimal
    host hostname
    identifier id
    index position
    int integer
    invoke call
    iterate loop
    kill terminate
    kind type
    largest maximum max biggest greatest
    launch start spawn
    length len size
    load read
    lowercase lower
    median middle
    message msg
    monitor watch
    octal oct
    order sort sorted
    output stdout
    pair tuple
    parameter argument
    permission mode
    placeholder substitute
    random rand
    regex regexp
    remainder modulo mod
    rename move
    replace substitute sub
    reverse reversed backwards
    safe secure
    save write dump store
    send transmit
    separate split partition
    serialize dump
    similar close
    skip drop ignore
    smallest minimum min
    stop cancel
    string text str
    strip trim
    sum total
    symlink symbolic
    temporary temp tmp
    trailing leading
    traverse walk
    truncate shorten
    unique distinct
    unpack extract
    uppercase upper
    utc gmt
    verify check
    wrap wrapper
"""

# What a question says, and what the answer may be called: a word, or two that stand together in any order.
_HINTS = """
    absolute path: abspath resolve
    absolute value: abs fabs
    abstract: abc
    accent: combining normalize
    alphabet: ascii_letters ascii_lowercase
    argument: argparse
    array: array
    ascii code: ord chr
    assertion: assertequal testcase
    asynchronous: asyncio async coroutine
    attachment: add_attachment mimemultipart
    background: daemon thread
    backtrace: traceback
    benchmark: timeit
    binary search: bisect
    breakpoint: pdb set_trace
    browser: webbrowser
    byte order: byteorder struct
    bytecode: dis
    cache: lru_cache
    caller: currentframe stack
    capitalize: title capwords
    cartesian product: product
    case insensitive: casefold ignorecase
    certificate: ssl load_cert_chain
    child process: subprocess
    circular: deque cycle
    clock: time monotonic
    close match: get_close_matches
    columns: table
    combine dict: chainmap
    command line: argparse argv
    comparison function: cmp_to_key
    compress: zlib gzip bz2 lzma
    concurrent: thread executor gather
    constant time: compare_digest
    context manager: contextmanager contextlib exitstack
    coroutine: async task
    cpu time: process_time
    cryptographic: secrets hmac hashlib
    csv write: writer dictwriter
    currency: locale
    current date: today now
    current directory: getcwd cwd
    current process: getpid
    current time: now time
    data class: dataclass
    data package: get_data resources
    date: datetime
    day week: weekday isoweekday
    days: timedelta
    debug: pdb
    decorator: wraps wrapper
    deep copy: deepcopy
    default: defaultdict setdefault
    dependency: topological graphlib
    descending: reverse
    dictionary class: asdict
    disassemble: dis
    disk space: disk_usage
    disk usage: disk_usage
    docstring: getdoc
    double ended: deque
    duration: timedelta elapsed
    edit distance: difflib
    elapsed: perf_counter monotonic
    empty file: touch
    encrypt: ssl
    endian: byteorder struct
    entities: escape unescape
    environment: environ
    environment variable: environ getenv
    event loop: asyncio run
    exact: decimal fraction
    executable: command which
    exit code: returncode
    exit handler: atexit
    exit: atexit
    expire: timeout
    export: dump
    fake: mock
    fifo: queue
    file descriptor: fd fileno
    file exists: exists is_file isfile
    file extension: splitext suffix
    file name: filename basename
    file size: getsize stat
    find file: glob rglob walk
    fixed size: maxlen
    flag: store_true intflag
    flatten: chain iterable
    fold: reduce
    foreign function: ctypes
    forever: cycle
    frequency: counter most_common
    frequent: most_common counter mode
    ftp: ftplib
    garbage: gc
    gaussian: gauss normalvariate
    generic: typevar generic
    graph: topological graphlib
    grep: search regular
    group: groupby
    gui: tkinter tk
    hash: hashlib sha256
    header: fieldnames
    hide: getpass
    home: expanduser
    html link: htmlparser
    html parse: htmlparser
    http request: urlopen httpconnection
    ignore warning: filterwarnings simplefilter
    immutable: namedtuple frozenset
    import path: spec_from_file_location
    indent: textwrap
    index loop: enumerate
    infinite: cycle count
    ini: configparser
    inspect: getmembers
    instance: isinstance
    interactive: interact cmd
    ip address: ipaddress
    iso: isoformat fromisoformat
    json encode: jsonencoder dumps
    keyboard interrupt: sigint
    keyword: iskeyword kwlist
    largest: nlargest
    last item: deque maxlen
    lazy: iterator islice
    leap year: isleap
    levenshtein: difflib
    lifo: stack lifoqueue
    limit time: timeout
    line number: getline
    linked list: deque
    list directory: listdir scandir iterdir
    list file: listdir scandir iterdir glob
    load average: getloadavg
    log console: streamhandler
    log file: filehandler basicconfig
    log format: formatter basicconfig
    log level: setlevel basicconfig
    logarithm: log
    logging: getlogger
    machine: platform node
    memoize: cache lru_cache
    memory leak: tracemalloc
    memory object: getsizeof
    merge dict: chainmap update
    metadata: update_wrapper copystat
    mime: mimetypes
    mime type: guess_type
    mock: patch mock
    modification time: getmtime stat
    money: decimal
    most common: counter most_common
    multiple delimiter: re split
    multiset: counter
    mutex: lock
    named group: groupdict
    named tuple: namedtuple
    nested: recursively
    newline: splitlines
    nth: islice
    occurrence: counter
    operating system: platform system
    option: argparse
    ordered: ordereddict
    overload: singledispatch
    pad: zfill ljust rjust
    pairs: pairwise zip
    parallel: pool executor multiprocessing
    parent directory: parent dirname
    password: getpass secrets
    percentile: quantiles
    persistent: shelve
    pipe: stdout popen
    plural: ngettext
    post: urlopen request
    precise: performance
    precision: decimal
    prefix: startswith removeprefix
    pretty print: pprint
    priority queue: priorityqueue heapq heap
    probability: distribution normaldist
    process id: getpid
    process pool: processpoolexecutor
    process start: popen process
    process: subprocess
    profile: cprofile profiler
    prompt: input
    property: cached_property
    query string: urlencode parse_qs
    queue: queue
    random bytes: urandom token_bytes
    random string: token_hex choices
    read only: mappingproxytype
    recursion: setrecursionlimit
    redirect: redirect_stdout
    reentrant: rlock
    regex: re pattern regular expression
    regular expression: re pattern
    relative path: relpath relative_to
    remainder: divmod
    repl: console interact
    request: urlopen
    reserved: keyword iskeyword
    rgb: colorsys
    ring buffer: deque
    robots: robotparser
    rolling: deque rotating
    rotate: rotating
    round down: floor
    round up: ceil
    round: quantize
    row dict: dictreader dictwriter
    running total: accumulate
    same file: samefile
    same time: parallel concurrently
    schedule: sched call_later
    seconds: total_seconds
    serialize: dumps pickle json
    settings: configparser
    shallow: copy
    share thread: queue lock
    shared library: cdll
    shared memory: sharedmemory
    shell command: system popen getoutput
    similar: get_close_matches difflib
    similarity: sequencematcher ratio
    sliding window: deque pairwise
    smallest: nsmallest
    sort key: itemgetter attrgetter key
    sorted list: bisect insort
    spreadsheet: csv
    sql: sqlite sqlite3
    square root: sqrt isqrt
    stack trace: traceback print_exc
    stack: lifoqueue
    standard deviation: stdev
    standard error: stderr
    standard input: stdin
    standard output: stdout redirect_stdout
    static method: staticmethod
    status code: httpstatus
    stopwatch: perf_counter
    string number: isdigit isnumeric
    structure: struct
    subclass: abc
    subcommand: add_subparsers
    substring: find
    suffix: endswith removesuffix
    suppress: contextlib
    symbolic link: symlink
    tcp: socket
    template: substitute
    temporary directory: temporarydirectory mkdtemp
    temporary file: temporaryfile namedtemporaryfile
    terminal size: get_terminal_size
    terminal: curses tty
    test: unittest testcase
    thread local: local
    thread pool: threadpoolexecutor
    thread safe: queue lock
    time zone: zoneinfo timezone astimezone
    token: secrets
    transaction: commit rollback
    transpose: zip
    tree: recursively
    type hint: typing
    udp: datagram
    unhandled exception: excepthook
    union: chainmap
    unit test: unittest testcase
    unzip: extractall zipfile
    url parameter: urlencode parse_qs
    url: urllib
    user name: getuser
    variance: statistics
    virtual environment: venv
    weak reference: weakref ref
    web page: urlopen
    web server: httpserver
    web: http url
    weighted: choices
    whitespace: strip split
    wildcard: glob fnmatch
    window: tkinter
    word frequency: counter
    worker: pool executor thread
    xml: etree elementtree
    zip file: zipfile
    zip: zipfile
    zero: zfill
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
