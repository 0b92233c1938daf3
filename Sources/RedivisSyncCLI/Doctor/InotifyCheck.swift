import Glibc

/// The kernel's limits on inotify (`man 7 inotify`), against what is needed and what is in use. All of them are of a
/// user, so other programs of that user take their share.
struct InotifyFacts: Hashable, Sendable {
    /// A sysctl and its value.
    struct Limit: Hashable, Sendable {
        let name: String
        let value: Int
    }

    /// Those that hold; the smallest counts. Inside a user namespace there is one more, `user.max_inotify_…`.
    var watches: [Limit] = []
    var instances: [Limit] = []
    var queue: Limit?
    /// By other programs of this user.
    var usedWatches = 0
    var usedInstances = 0
    /// Whether every process of this user could be looked into.
    var usedIsWhole = true
    /// Directories to be watched, as far as they were counted.
    var directories = 0
    var directoriesAreWhole = true

    // MARK: Verdicts

    var checks: [DoctorCheck] { [watchesCheck, instancesCheck, queueCheck] }

    private var watchesCheck: DoctorCheck {
        guard let limit = watches.min(by: Self.isSmaller) else { return Self.unknown(.inotifyWatches) }
        let needed =
            "\(directoriesAreWhole ? "" : "at least ")\(Words.count(directories, "directory", "directories")) to watch"
        let found =
            "\(needed); \(Words.grouped(limit.value)) allowed (\(limit.name)), other programs use \(used(usedWatches))"
        let free = limit.value - usedWatches
        guard directories > free else { return .ok(.inotifyWatches, found) }
        return .warning(
            .inotifyWatches, "\(found): \(Words.grouped(directories - max(free, 0))) of them will be polled",
            Self.raising(watches, above: directories + usedWatches))
    }

    private var instancesCheck: DoctorCheck {
        guard let limit = instances.min(by: Self.isSmaller) else { return Self.unknown(.inotifyInstances) }
        let found =
            "\(Words.grouped(limit.value)) allowed (\(limit.name)), other programs use \(used(usedInstances))"
        guard usedInstances >= limit.value else { return .ok(.inotifyInstances, found) }
        return .warning(
            .inotifyInstances, "\(found): none is left, so that all folders will be polled",
            Self.raising(instances, above: usedInstances))
    }

    /// A burst of more events than this is lost and made up for by a scan.
    static let shortQueue = 4096

    private var queueCheck: DoctorCheck {
        guard let queue else { return Self.unknown(.inotifyQueue) }
        let found = "holds \(Words.count(queue.value, "event")) (\(queue.name))"
        guard queue.value < Self.shortQueue else { return .ok(.inotifyQueue, found) }
        return .warning(
            .inotifyQueue, "\(found): more at once overflow it, and a scan of everything has to make up for it",
            Self.setting([Limit(name: queue.name, value: 16_384)]) + "; then restart the agent")
    }

    private func used(_ count: Int) -> String { (usedIsWhole ? "" : "at least ") + Words.grouped(count) }

    private static func isSmaller(_ left: Limit, _ right: Limit) -> Bool { left.value < right.value }

    private static func unknown(_ subject: DoctorSubject) -> DoctorCheck {
        .warning(
            subject, "its limit cannot be read from /proc/sys/fs/inotify",
            "mount /proc, or use a kernel with inotify; folders are polled otherwise")
    }

    /// All that are too small, to twice of what is needed.
    private static func raising(_ limits: [Limit], above needed: Int) -> String {
        var enough = 1
        while enough < needed.multipliedReportingOverflow(by: 2).partialValue, enough < 1 << 40 { enough *= 2 }
        return setting(limits.filter { $0.value <= needed }.map { Limit(name: $0.name, value: enough) })
    }

    private static func setting(_ limits: [Limit]) -> String {
        let words = limits.map { "\($0.name)=\($0.value)" }
        return "sudo sysctl -w \(words.joined(separator: " ")), and the same in a file of /etc/sysctl.d"
    }
}

extension InotifyFacts {
    /// Reads the limits that hold for this process.
    static func limits() -> InotifyFacts {
        var facts = InotifyFacts()
        facts.watches = read("max_user_watches", "max_inotify_watches")
        facts.instances = read("max_user_instances", "max_inotify_instances")
        facts.queue = ProcFile.number("/proc/sys/fs/inotify/max_queued_events").map {
            Limit(name: "fs.inotify.max_queued_events", value: $0)
        }
        return facts
    }

    private static func read(_ machine: String, _ namespace: String) -> [Limit] {
        let first = ProcFile.number("/proc/sys/fs/inotify/\(machine)").map {
            Limit(name: "fs.inotify.\(machine)", value: $0)
        }
        let second = ProcFile.number("/proc/sys/user/\(namespace)").map {
            Limit(name: "user.\(namespace)", value: $0)
        }
        // Outside of user namespaces both are one limit under two names.
        if let first, first.value == second?.value { return [first] }
        return [first, second].compactMap { $0 }
    }
}
