/// The places of the transfers that send bytes at one time, given in the order in which they were asked for.
///
/// More deliveries than places are under way where files are small: while one is sent, the next has its session opened.
actor TransferSlots {
    private let limit: @Sendable () -> Int
    private var taken = 0
    private var waiting: [(ticket: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    private var lastTicket = 0

    /// - Parameter limit: how many places there are now; below 1 counts as 1.
    init(limit: @escaping @Sendable () -> Int) {
        self.limit = limit
    }

    /// - Returns: false where the task was cancelled while it waited; nothing is to be given back then.
    func take() async -> Bool {
        guard taken >= max(limit(), 1) || !waiting.isEmpty else {
            taken += 1
            return true
        }
        lastTicket += 1
        let ticket = lastTicket
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(returning: false) }
                waiting.append((ticket, continuation))
            }
        } onCancel: {
            Task { await self.giveUp(ticket) }
        }
    }

    func give() {
        taken -= 1
        // As many as there is room for: the limit may have been raised meanwhile.
        while !waiting.isEmpty, taken < max(limit(), 1) {
            taken += 1
            waiting.removeFirst().continuation.resume(returning: true)
        }
    }

    private func giveUp(_ ticket: Int) {
        guard let index = waiting.firstIndex(where: { $0.ticket == ticket }) else { return }
        waiting.remove(at: index).continuation.resume(returning: false)
    }
}
