# site.rb - a site on Rack that counts each visitor's clicks; its sessions are dalli's or those of Rails.
#
# usage: ruby site.rb PORT MEMCACHED_SERVER rack|rails

require 'rack'
require 'rack/handler/webrick'

port, server, kind = ARGV

site = lambda do |environment|
  request = Rack::Request.new(environment)
  session = request.session
  greeting = lambda { session[:name] ? "#{session[:name]} #{session[:clicks]}" : 'nobody' }
  text = case request.path_info
         when '/login'
           session.clear
           request.session_options[:renew] = true
           session[:name] = request.params['name']
           session[:clicks] = 0
           greeting.call
         when '/view' then greeting.call
         when '/click', '/slow'
           name = session[:name] # reads the session before the wait
           sleep request.params['ms'].to_i / 1000.0
           session[:clicks] += 1 if name
           greeting.call
         when '/empty'
           session.clear
           greeting.call
         when '/logout'
           session.destroy
           'bye'
         end
  [200, { 'Content-Type' => 'text/plain' }, [text]]
end

site = case kind
       when 'rack'
         require 'rack/session/dalli'
         Rack::Session::Dalli.new(site, memcache_server: server, expire_after: 40 * 86_400, down_retry_delay: 1)
       when 'rails'
         require 'action_dispatch'
         require 'active_support/cache/mem_cache_store'
         cache = ActiveSupport::Cache::MemCacheStore.new(server, down_retry_delay: 1)
         sessions = ActionDispatch::Session::CacheStore.new(site, cache: cache, expire_after: 40 * 86_400, key: '_site_session')
         ActionDispatch::Cookies.new(sessions)
       end

Rack::Handler::WEBrick.run(site, Host: '127.0.0.1', Port: port.to_i, AccessLog: [])
