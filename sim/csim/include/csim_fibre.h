// Concurrent C simulation: every process of a dataflow region runs on its own fibre.
//
// A fibre runs until a stream makes it wait; then the next ready one runs, in the order in which they became
// ready, so a simulation always takes the same course. When no fibre is ready the network is deadlocked: the
// report says who waits for what, and the program ends with exit code 3. A run that leaves something in a stream of
// the region ends with exit code 4.
#ifndef FASTPREFILL_CSIM_FIBRE_H
#define FASTPREFILL_CSIM_FIBRE_H

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace csim {

constexpr int deadlock_exit_code = 3;
constexpr int unbalanced_exit_code = 4;
// Address space only: pages are used when they are touched, and local arrays of a kernel live here.
constexpr std::size_t stack_bytes = std::size_t(64) << 20;

[[noreturn]] inline void fail_unbalanced(const std::string &where, std::size_t count, const char *what) {
    std::fflush(nullptr);
    std::fprintf(
        stderr, "%zu %s%s left in %s at the end of the run\n", count, what, count == 1 ? " is" : "s are", where.c_str());
    std::_Exit(unbalanced_exit_code);
}

struct Fibre {
    std::string name;
    std::function<void()> body;
    ucontext_t context{};
    void *stack = nullptr;
    bool finished = false;
    Fibre *joiner = nullptr;   // the fibre that waits for this one to end
    std::string waits_for;     // for the deadlock report; empty while ready
};

class Scheduler {
  public:
    static Scheduler &instance() {
        static Scheduler scheduler;
        return scheduler;
    }

    Fibre *current() const { return current_; }

    Fibre *spawn(const std::string &name, std::function<void()> body) {
        auto *fibre = new Fibre;
        fibre->name = current_->name.empty() ? name : current_->name + "." + name;
        fibre->body = std::move(body);
        fibre->stack = take_stack();
        getcontext(&fibre->context);
        fibre->context.uc_stack.ss_sp = fibre->stack;
        fibre->context.uc_stack.ss_size = stack_bytes;
        makecontext(&fibre->context, &Scheduler::run_current, 0);
        fibres_.push_back(fibre);
        ready_.push_back(fibre);
        return fibre;
    }

    // Waits until `fibre` has ended, then frees it.
    void join(Fibre *fibre) {
        while (!fibre->finished) {
            fibre->joiner = current_;
            switch_to_next();
        }
        for (std::size_t i = 0; i < fibres_.size(); ++i) {
            if (fibres_[i] == fibre) {
                fibres_.erase(fibres_.begin() + static_cast<std::ptrdiff_t>(i));
                break;
            }
        }
        free_stacks_.push_back(fibre->stack);
        delete fibre;
    }

    // Suspends the running fibre until `wake` is called with it. `place` is where the waker finds it.
    void wait(Fibre *&place, const std::string &reason) {
        place = current_;
        current_->waits_for = reason;
        switch_to_next();
        current_->waits_for.clear();
    }

    void wake(Fibre *&place) {
        if (place != nullptr) {
            ready_.push_back(place);
            place = nullptr;
        }
    }

  private:
    Fibre main_;
    Fibre *current_ = &main_;
    std::deque<Fibre *> ready_;
    std::vector<Fibre *> fibres_;
    std::vector<void *> free_stacks_;

    void *take_stack() {
        if (!free_stacks_.empty()) {
            void *stack = free_stacks_.back();
            free_stacks_.pop_back();
            return stack;
        }
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
        void *stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (stack == MAP_FAILED) {
            std::fprintf(stderr, "csim: no address space for the stack of another process\n");
            std::exit(2);
        }
        mprotect(stack, 4096, PROT_NONE);  // an overflow stops here instead of corrupting a neighbour
        return stack;
    }

    static void run_current() {
        Scheduler &scheduler = instance();
        Fibre *self = scheduler.current_;
        self->body();
        self->finished = true;
        scheduler.wake(self->joiner);
        scheduler.switch_to_next();  // never comes back
    }

    void switch_to_next() {
        if (ready_.empty()) {
            report_deadlock();
        }
        Fibre *previous = current_;
        current_ = ready_.front();
        ready_.pop_front();
        if (current_ != previous) {
            swapcontext(&previous->context, &current_->context);
        }
    }

    [[noreturn]] void report_deadlock() const {
        std::fflush(nullptr);
        std::fprintf(stderr, "deadlock: every process waits");
        const char *separator = ": ";
        for (const Fibre *fibre : fibres_) {
            if (!fibre->waits_for.empty()) {
                std::fprintf(stderr, "%s%s %s", separator, fibre->name.c_str(), fibre->waits_for.c_str());
                separator = "; ";
            }
        }
        std::fprintf(stderr, "\n");
        std::_Exit(deadlock_exit_code);
    }
};

// A process of a dataflow region: starts where it is declared, and its scope waits for its end.
class Process {
  public:
    Process(const char *name, std::function<void()> body)
        : fibre_(Scheduler::instance().spawn(name, std::move(body))) {}
    ~Process() { Scheduler::instance().join(fibre_); }
    Process(const Process &) = delete;
    Process &operator=(const Process &) = delete;

  private:
    Fibre *fibre_;
};

}  // namespace csim

// Generated regions start their processes and set up streams with these; elsewhere they are a plain call and nothing.
#define DATAFLOW_PROCESS(name, call) ::csim::Process name##_process(#name, [&] { call; })
#define DATAFLOW_NAME(channel) (channel).set_name(#channel)
#define DATAFLOW_STREAMS(channels, depth) ::csim::set_up(channels, #channels, depth)

#endif
