import Glibc
import Synchronization
import SystemPackage

/// A process that this program started from its own executable, and ends by its id.
struct ChildProcess: Sendable {
    let id: pid_t

    enum Ending: Hashable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// Those that were started and whose ending nobody has seen: their ids are theirs until then (`man 2 wait`), so
    /// that no signal can reach another process.
    private static let running = Mutex<Set<pid_t>>([])

    /// Starts this very program, also where its file was replaced meanwhile.
    ///
    /// It gets a process group of its own, so that Ctrl-C ends it in the order of the drill, the default of every
    /// signal that this program traps, an empty standard input, and files for what it says.
    /// - Parameter environment: all of it, each as `NAME=VALUE`.
    static func start(
        _ arguments: [String], environment: [String], output: FilePath, errors: FilePath
    ) throws(Errno) -> ChildProcess {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for (descriptor, path) in [(STDOUT_FILENO, output), (STDERR_FILENO, errors)] {
            _ = path.withPlatformString {
                posix_spawn_file_actions_addopen(&actions, descriptor, $0, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            }
        }
        setSignals(of: &attributes)
        var argumentVector = (["redivis-sync"] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in argumentVector + variables { free(text) } }
        var id: pid_t = 0
        let error = running.withLock { running in
            // In the child /proc/self is the child, which is this program still.
            let error = posix_spawn(&id, "/proc/self/exe", &actions, &attributes, &argumentVector, &variables)
            if error == 0 { running.insert(id) }
            return error
        }
        guard error == 0 else { throw Errno(rawValue: error) }
        return ChildProcess(id: id)
    }

    private static func setSignals(of attributes: inout posix_spawnattr_t) {
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    }

    /// How it ended; `nil` while it runs. To be asked no more once it has answered.
    func ending() -> Ending? {
        Self.running.withLock { running in
            var status: Int32 = 0
            guard running.contains(id), waitpid(id, &status, WNOHANG) == id else { return nil }
            running.remove(id)
            return Ending(waitStatus: status)
        }
    }

    func send(_ signal: Int32) {
        Self.running.withLock { running in
            if running.contains(id) { kill(id, signal) }
        }
    }

    /// Kills all that run and waits for their ends, which SIGKILL makes short.
    static func endAll() {
        running.withLock { running in
            for id in running { kill(id, SIGKILL) }
            for id in running {
                while waitpid(id, nil, 0) < 0, errno == EINTR {}
            }
            running = []
        }
    }
}

extension ChildProcess.Ending {
    /// The layout of `man 2 wait`'s macros, which are none that Swift can see.
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7F
        self = signal == 0 ? .exited(waitStatus >> 8 & 0xFF) : .killed(signal: signal)
    }

    var text: String {
        switch self {
        case .exited(let status): "with \(status)"
        case .killed(let signal): "by signal \(signal)"
        }
    }
}
