import SyncCore

extension WatchLimit {
    /// The limit on `watches` or `instances` that counts. Each user namespace has one of its own, and those of all
    /// namespaces above hold as well (`man 7 user_namespaces`, `man 5 proc_sys_user`): the smaller is used up first.
    static func inForce(_ what: String, _ system: InotifySystem) -> WatchLimit {
        let machine = "fs.inotify.max_user_\(what)"
        let namespace = "user.max_inotify_\(what)"
        let values = (system.sysctl(machine), system.sysctl(namespace))
        if let inNamespace = values.1, values.0.map({ inNamespace < $0 }) ?? true {
            return WatchLimit(sysctl: namespace, value: inNamespace, needed: nil)
        }
        return WatchLimit(sysctl: machine, value: values.0, needed: nil)
    }

    static func reached(_ what: String, missing: Int, _ system: InotifySystem) -> WatchLimit {
        let limit = inForce(what, system)
        // What all programs hold together is the limit itself, or there would be some left.
        let needed = limit.value.map { $0.addingReportingOverflow(Int64(missing)) }.flatMap { $0.overflow ? nil : $0 }
        return WatchLimit(sysctl: limit.sysctl, value: limit.value, needed: needed?.partialValue)
    }
}
